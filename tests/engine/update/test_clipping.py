"""Tests of clipping by the global norm: every optimiser steps as after torch's own clipping."""

from __future__ import annotations

import copy

import pytest
import torch

from distillkit import Distiller, losses
from distillkit.engine.update.clipping import clipping_for

MAKERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "fused sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3, fused=True),
    "fused adamw": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "fused adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, fused=True),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("clip_norm", [0.01, 1.0, 1e6])
def test_steps_as_after_torchs_own_clipping(net, data, make, clip_norm):
    """Weights after several steps, clipped or not, and the gradients that are left, agree to rounding."""
    student = net(1)
    twin = copy.deepcopy(student)
    optimizer, reference = make(student.parameters()), make(twin.parameters())
    clipped = clipping_for(optimizer, list(student.parameters()), clip_norm, scaled=False)
    for _ in range(4):
        for model in (student, twin):
            model.zero_grad()
            (10 * torch.nn.functional.cross_entropy(model(data[0]), data[1])).backward()
        with clipped():
            optimizer.step()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), clip_norm)
        reference.step()
    for ours, theirs in zip(student.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)
    assert not hasattr(optimizer, "grad_scale")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_gradients_that_are_no_numbers_reach_the_weights(net, make):
    """As with torch's own clipping, a NaN is not hidden: the loss of the next step shows it."""
    student = net(1)
    optimizer = make(student.parameters())
    clipped = clipping_for(optimizer, list(student.parameters()), 1.0, scaled=False)
    for parameter in student.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    with clipped():
        optimizer.step()
    assert not any(bool(parameter.isfinite().any()) for parameter in student.parameters())


def test_parameters_without_gradients_are_passed_over(net):
    """No gradient at all is a norm of 0."""
    student = net(1)
    optimizer = MAKERS["fused sgd"](student.parameters())
    with clipping_for(optimizer, list(student.parameters()), 1.0, scaled=False)():
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_of_other_types_are_clipped_too(net, data, dtype):
    """The default optimiser is fused, and its kernels read the number in the type of the weights."""
    student = net(1).to(dtype)
    before = [parameter.detach().clone() for parameter in student.parameters()]
    settings = {"loss": losses.HardLabels(), "clip_norm": 0.1, "precision": "fp32"}
    Distiller(teacher=None, student=student, **settings).fit((data[0].to(dtype), data[1]), epochs=1)
    assert not any(torch.equal(one, old) for one, old in zip(student.parameters(), before, strict=True))
