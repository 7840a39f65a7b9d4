"""Losses that learn something themselves and look at no layer."""

from __future__ import annotations

import copy
import logging
from typing import Literal

import pytest
import torch
from torch import nn

from distillkit import Distiller, fit_together, losses
from distillkit.engine.forward.compiling import Compiling
from distillkit.engine.loop import training as training_module
from distillkit.losses import FitNet, HardLabels, Loss, SoftTargets, Standardized, WeightedSum


@pytest.fixture
def biased():
    """A loss that learns a constant to be added to the student's logits."""

    class Biased(Loss):
        """The squared distance of the logits, less what is learnt."""

        kind: Literal["biased_for_a_test"] = "biased_for_a_test"

        def adapters(self, *, student, teacher):
            """As many numbers as there are classes."""
            return nn.ParameterList([torch.zeros(student.logits.shape[-1])])

        def __call__(self, *, student, teacher, labels):
            (bias,) = self.learnt(student).parameters()
            return (student.logits + bias - self.teacher_logits(teacher)).square().mean()

    yield Biased()
    del Loss._kinds["biased_for_a_test"]


def test_what_learns_says_so(biased):
    """A class with adapters of its own, a wrapper around one, and a sum in which one counts."""
    assert biased.needs().learns
    assert FitNet(layers={"a": "x"}).needs().learns
    assert Standardized(loss=biased).needs().learns
    assert WeightedSum(terms={"a": biased, "b": HardLabels()}).needs().learns
    assert not WeightedSum(terms={"a": biased, "b": HardLabels()}, weights={"a": 0, "b": 1}).needs().learns
    assert not any(one.needs().learns for one in (HardLabels(), SoftTargets(temperature=1), Standardized()))


@pytest.mark.parametrize("steps", [True, False])
def test_it_is_made_and_trained(net, data, biased, steps):
    """By `step` and by `fit`, as by hand; the student has no part in it."""
    teacher, student = net(1), net(2)
    twin, bias = copy.deepcopy(student), nn.Parameter(torch.zeros(4))
    distiller = Distiller(
        teacher=teacher, student=student, loss=biased, optimizer=lambda p: torch.optim.SGD(p, lr=0.1)
    )
    optimizer = torch.optim.SGD([*twin.parameters(), bias], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (twin(data[0]) + bias - teacher(data[0]).detach()).square().mean().backward()
        optimizer.step()
    if steps:
        for _ in range(3):
            distiller.step(data)
    else:
        distiller.fit(data, epochs=3, batch_size=50)
    torch.testing.assert_close(distiller.adapters[0], bias)
    torch.testing.assert_close(student[0].weight, twin[0].weight)
    assert list(student.state_dict()) == list(twin.state_dict())


def test_nothing_is_compiled_recorded_or_stacked(net, data, biased, caplog, monkeypatch):
    """Passes and recordings step the student's weights alone; the log says why they are not used."""
    monkeypatch.setattr(training_module, "recorder_for", lambda device: pytest.fail("it is recorded"))
    for asked in ("on", "graphs"):
        with caplog.at_level(logging.WARNING, "distillkit"):
            distiller = Distiller(teacher=net(1), student=net(2), loss=biased, compile=asked)
        assert distiller.training.compiling == Compiling("off")
        assert "learns something itself" in caplog.text
        caplog.clear()
    with caplog.at_level(logging.INFO, "distillkit"):
        fit_together(
            [Distiller(teacher=net(1), student=net(seed), loss=biased) for seed in (2, 3)], data, epochs=1
        )
    assert "Student 1 trains alone: its loss learns something itself." in caplog.text


def test_one_that_learns_nothing_meets_no_batch(net, data, monkeypatch):
    """Its first step is not preceded by a pass for shapes."""
    monkeypatch.setattr(training_module, "make_adapters", None)
    distiller = Distiller(teacher=net(1), student=net(2), loss=losses.hinton(4, 0.1))
    distiller.step(data)
    distiller.fit(data, epochs=1)
    assert distiller.adapters is None
