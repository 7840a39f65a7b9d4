"""Every loss gives on a GPU what it gives on a CPU, where a constant left behind would stop it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from distillkit.losses import Loss
from distillkit.testing import examples_of
from distillkit.testing.case import Case, case_for, made, value
from distillkit.typing import Outputs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

LOSSES = [
    loss
    for kind in Loss.kinds()
    if kind not in Loss.plugins()
    for loss in examples_of(cast("type[Loss]", Loss.kind_class(kind)))
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_value_and_gradient_are_those_of_a_cpu(loss: Loss) -> None:
    """In float64, of a batch that fits what the loss looks at."""
    case = case_for(loss)
    adapters = made(loss, case)
    there = None if adapters is None else copy.deepcopy(adapters).cuda()
    expected = _value_and_gradients(loss, case, adapters)
    found = _value_and_gradients(loss, _on_gpu(case), there)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.device.type == "cuda"
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-6, atol=1e-9)


def _value_and_gradients(loss: Loss, case: Case, adapters: torch.nn.Module | None) -> list[Tensor]:
    moving = case.moving()
    found = value(loss, moving, adapters)
    leaves = moving.leaves()
    gradients = torch.autograd.grad(found, leaves, allow_unused=True)
    return [found.detach(), *(one for one in gradients if one is not None)]


def _on_gpu(case: Case) -> Case:
    known = case.known()
    return Case(
        _moved(case.student),
        _moved(case.teacher),
        case.labels.cuda(),
        replace(
            known, numbers=known.numbers.cuda(), selected=known.selected.cuda(), labels=known.labels.cuda()
        ),
    )


def _moved(said: Outputs) -> Outputs:
    return Outputs(said.logits.cuda(), {name: one.cuda() for name, one in said.features.items()})
