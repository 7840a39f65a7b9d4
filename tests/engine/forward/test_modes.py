"""Tests that a teacher is given back as it came."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller, losses


class _Raise(Callback):
    """Ends a training by an error."""

    def __init__(self, error):
        self.error = error

    def on_step_end(self, distiller, step):
        raise self.error


@pytest.mark.parametrize("cache", ["auto", "off"])
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("training", [True, False, None])
def test_the_teacher_is_given_back_as_it_came(net, data, cache, error, training):
    """Modes, requires_grad, buffers, weights, hooks and gradients, also after an error or Ctrl-C."""
    teacher = nn.Sequential(net(1, norm=True, dropout=0.5), nn.BatchNorm1d(4), nn.Dropout(0.2))
    if training is None:
        teacher[0].eval()
        teacher[0][1].train()
    else:
        teacher.train(training)
    next(teacher.parameters()).requires_grad_(False)

    def state():
        return (
            [part.training for part in teacher.modules()],
            [parameter.requires_grad for parameter in teacher.parameters()],
            [(parameter.grad, parameter._version) for parameter in teacher.parameters()],
            [(buffer.tolist(), buffer._version) for buffer in teacher.buffers()],
            [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in teacher.modules()],
        )

    before = state()
    distiller = Distiller(
        teacher=teacher,
        student=net(2),
        loss=losses.SoftTargets(temperature=2),
        callbacks=[] if error is None else [_Raise(error)],
        teacher_cache=cache,
    )
    if error is None:
        distiller.fit(data, epochs=2, evaluate_on=data)
    else:
        modes = [part.training for part in distiller.student.modules()]
        with pytest.raises(error):
            distiller.fit(data, epochs=2, evaluate_on=data)
        assert [part.training for part in distiller.student.modules()] == modes
    assert state() == before


def test_a_teacher_that_fails_is_given_back_too(net, data):
    """An error in its own forward pass leaves its mode, and the caller's randomness, as they were."""

    class Failing(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    teacher, before = nn.Sequential(net(1), Failing()), torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        Distiller(teacher=teacher, student=net(2), loss=losses.SoftTargets(temperature=2)).fit(data, epochs=1)
    assert all(part.training for part in teacher.modules())
    assert torch.equal(before, torch.random.get_rng_state())
