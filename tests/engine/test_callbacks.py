"""Tests of what a person can hang into a training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller, MaxNorm, losses
from distillkit.errors import ConfigurationError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


class _Record(Callback):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple] = []

    def on_fit_start(self, distiller, epochs, steps):
        self.events.append(("start", epochs, steps))

    def on_step_end(self, distiller, step):
        self.events.append(("step", step))

    def on_epoch_end(self, distiller, row):
        self.events.append(("epoch", row["epoch"]))


def fit(net, data, *, epochs=3, **settings):
    """A short training; gives the student."""
    distiller = Distiller(teacher=net(1), student=net(2, dropout=0.3), loss=HINTON, **settings)
    distiller.fit(data, epochs=epochs, batch_size=16)
    return distiller.student


def test_callbacks_are_called_in_order(net, data):
    """Start, each step of the epoch from 1, the epoch; in the order in which callbacks are given."""
    first, second = _Record(), _Record()
    second.events = first.events
    fit(net, data, epochs=2, callbacks=[first, second])
    steps = [event for step in range(1, 5) for event in [("step", step)] * 2]
    expected = [("start", 2, 4)] * 2
    for epoch in (1, 2):
        expected += [*steps, *[("epoch", epoch)] * 2]
    assert first.events == expected


def test_stop_ends_with_the_epoch_in_hand(net, data):
    """stop() in the middle of an epoch lets it end, and the next fit is not stopped."""

    class Stop(Callback):
        def on_step_end(self, distiller, step):
            if distiller.epochs_done == 1:
                distiller.stop()

    distiller = Distiller(teacher=net(1), student=net(2), loss=HINTON, callbacks=[Stop()])
    assert distiller.fit(data, epochs=9)["epoch"].tolist() == [1, 2]
    assert distiller.fit(data, epochs=2)["epoch"].tolist() == [3, 4]


def test_max_norm_holds_after_every_update(net, data):
    """No incoming weight vector of a linear unit is longer than the limit."""
    student = fit(net, data, callbacks=[MaxNorm(squared_length=0.25)])
    for part in student:
        if isinstance(part, nn.Linear):
            assert float(part.weight.detach().norm(dim=1).max()) <= 0.5 + 1e-5


def test_max_norm_refuses_what_is_no_length():
    """The limit must be above 0."""
    with pytest.raises(ConfigurationError, match="above 0"):
        MaxNorm(squared_length=0)


def test_clipping_is_by_the_global_norm(net, data):
    """All gradients together are at most as long as clip_norm."""
    lengths = []

    class Look(Callback):
        def on_step_end(self, distiller, step):
            gradients = [parameter.grad.flatten() for parameter in distiller.student.parameters()]
            lengths.append(float(torch.cat(gradients).norm()))

    fit(net, data, clip_norm=0.01, callbacks=[Look()])
    assert max(lengths) == pytest.approx(0.01, rel=1e-3)
