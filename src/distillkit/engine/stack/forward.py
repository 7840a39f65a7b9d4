"""One forward pass for all students of a stack."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from distillkit.engine.forward.modes import mode
from distillkit.engine.stack.architecture import fingerprint
from distillkit.engine.stack.layers import Generators, Layer, each_students, layers_of, run_layers
from distillkit.outputs import call, logits_of

Inputs = Any
"""A tensor or a mapping of tensors, each `[groups, batch, ...]`."""


class Forward(Protocol):
    """The students' logits, `[students, batch, ..., classes]`."""

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run them all; nothing is dropped where there are no generators."""
        ...


class ByLayers:
    """Batched products, layer by layer: the fast path of plain networks."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run them all."""
        return run_layers(self._layers, weights, inputs, students, generators)


class ByVmap:
    """Any module that `torch.func.vmap` can map over its weights."""

    def __init__(self, student: nn.Module) -> None:
        self._training, self._evaluating = (
            vmap(
                partial(_one, copy.deepcopy(student).train(training)), in_dims=(0, 0), randomness="different"
            )
            for training in (True, False)
        )

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run them all."""
        run = self._evaluating if generators is None else self._training
        each = (
            {name: each_students(part, students) for name, part in inputs.items()}
            if isinstance(inputs, Mapping)
            else each_students(inputs, students)
        )
        result: Tensor = run(dict(weights), each)
        return result


def forward_for(students: Sequence[nn.Module], inputs: Inputs) -> Forward | str:
    """A forward pass that gives what the students give one by one, tried on a few examples; or why not.

    Outputs and gradients are compared in evaluation mode. In training mode, where chance may have a part, the
    pass is made once on copies, to see that it can be made and changes nothing but weights.

    Args:
        students: Of one architecture.
        inputs: A few examples, a tensor or a mapping of tensors, `[batch, ...]`.
    """
    try:
        # a warning means that torch maps some operation in a loop, or worse
        with _warnings_as_errors(), torch.enable_grad():
            layers = layers_of(students[0])
            forward: Forward = ByVmap(students[0]) if layers is None else ByLayers(layers)
            same = _same_outputs_and_gradients(forward, students, inputs)
            if layers is None and same and _changes_more_than_weights(students, inputs):
                return "it changes more than its weights as it runs"
    except Exception as error:  # a module of a user's own may do anything that cannot be mapped
        return f"torch cannot run it as a stack ({' '.join(str(error).split())[:120]})"
    return forward if same else "it gives other numbers as a stack than alone"


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Make warnings errors, also those that torch gives once a process: so each stack is judged alike."""
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        torch.set_warn_always(always)


def _same_outputs_and_gradients(forward: Forward, students: Sequence[nn.Module], inputs: Inputs) -> bool:
    weights = _stacked(students)
    trainable = {name: tensor for name, tensor in weights.items() if tensor.requires_grad}
    together = forward(weights, _one_group(inputs), len(students), None)
    gradients = torch.autograd.grad(together.square().sum(), list(trainable.values()), allow_unused=True)
    for place, student in enumerate(students):
        own = dict(student.named_parameters())
        with mode(student, training=False):
            alone = logits_of(call(student, inputs), "The student")
        if alone.shape != together.shape[1:] or not _close(together[place], alone):
            return False
        expected = torch.autograd.grad(
            alone.square().sum(), [own[name] for name in trainable], allow_unused=True
        )
        for got, wanted in zip(gradients, expected, strict=True):
            if wanted is not None and (got is None or not _close(got[place], wanted)):
                return False
    return True


def _changes_more_than_weights(students: Sequence[nn.Module], inputs: Inputs) -> bool:
    spy = _Spy(copy.deepcopy(students[0]).train())
    before = fingerprint(spy.student)
    weights = {f"student.{name}": tensor.detach() for name, tensor in _stacked(students).items()}
    run = vmap(partial(_one, spy), in_dims=(0, None), randomness="different")
    run(weights, inputs)
    return spy.reassigned or fingerprint(spy.student) != before


class _Spy(nn.Module):
    """Sees whether a forward pass puts another tensor in a buffer's place, which would be lost in a stack."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student, self.reassigned = student, False

    def forward(self, *inputs: Any, **named: Any) -> Any:
        before = [id(buffer) for buffer in self.student.buffers()]
        result = self.student(*inputs, **named)
        self.reassigned = before != [id(buffer) for buffer in self.student.buffers()]
        return result


def _stacked(students: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Copies of all their weights."""
    named = [{**dict(one.named_parameters()), **dict(one.named_buffers())} for one in students]
    return {
        name: torch.stack([one[name].detach() for one in named]).requires_grad_(tensor.requires_grad)
        for name, tensor in named[0].items()
    }


def _one_group(inputs: Inputs) -> Inputs:
    if isinstance(inputs, Mapping):
        return {name: part.unsqueeze(0) for name, part in inputs.items()}
    return inputs.unsqueeze(0)


def _close(one: Tensor, other: Tensor) -> bool:
    one, other = one.detach(), other.detach()
    scale = float(other.abs().max()) if other.numel() else 0.0
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * max(scale, 1e-3), equal_nan=True)


def _one(student: nn.Module, weights: Mapping[str, Tensor], inputs: Inputs) -> Tensor:
    run: Callable[..., Any] = partial(_called, student, weights)
    return logits_of(call(run, inputs), "The student")


def _called(student: nn.Module, weights: Mapping[str, Tensor], *inputs: Any, **named: Any) -> Any:
    return functional_call(student, dict(weights), inputs, named)
