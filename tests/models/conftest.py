"""Models as people have them, tiny and with random weights, and what holds of each after a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

Untouched = Callable[..., AbstractContextManager[None]]

_HOOKS = [name for name in vars(nn.Module()) if name.endswith("_hooks")]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Every test draws the same weights and data, and leaves torch's generator and threads as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(before)


@pytest.fixture
def untouched() -> Untouched:
    """A context in which a student learns, and after which both modules are what they were."""
    return _untouched


@contextmanager
def _untouched(*, teacher: nn.Module, student: nn.Module) -> Iterator[None]:
    """Hold of both: modes, `requires_grad`, hooks, names and types; of the teacher its values as well.

    The modes are mixed before, so that one that was put back as a whole is noticed. The student has learnt.
    """
    for side in (teacher, student):
        for number, part in enumerate(side.modules()):
            part.training = number % 3 != 1
    next(teacher.parameters()).requires_grad_(False)
    before = [_described(side) for side in (teacher, student)]
    values = [_values(side) for side in (teacher, student)]
    yield
    assert [_described(side) for side in (teacher, student)] == before
    assert all(torch.equal(one, values[0][name]) for name, one in _values(teacher).items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert any(not torch.equal(one, values[1][name]) for name, one in _values(student).items())
    assert all(one.isfinite().all() for one in _values(student).values() if one.is_floating_point())


def _described(module: nn.Module) -> dict[str, Any]:
    """What a training must not change of a module, whatever its weights become."""
    assert not any(getattr(part, hooks) for part in module.modules() for hooks in _HOOKS)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    assert not any(one._backward_hooks or one._post_accumulate_grad_hooks for _, one in tensors)
    return {
        "parts": [(name, type(part), part.training) for name, part in module.named_modules()],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "tensors": [(name, type(one), one.shape, one.dtype, one.requires_grad) for name, one in tensors],
        "state": list(module.state_dict()),
    }


def _values(module: nn.Module) -> Mapping[str, Tensor]:
    return {name: one.clone() for name, one in module.state_dict().items()}
