"""Tests of what a Distiller is made of: optimisers, schedules, and what is refused when it is made."""

from __future__ import annotations

import pytest
import torch
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR, ReduceLROnPlateau

from distillkit import Distiller, Ensemble, losses
from distillkit.errors import ConfigurationError

HARD = losses.HardLabels()


def make(net, **settings):
    """A Distiller without a teacher."""
    return Distiller(**{"teacher": None, "student": net(2), "loss": HARD, **settings})


def test_adamw_is_the_default(net):
    """With a learning rate of 0.001, over all parameters of the student."""
    optimizer = make(net).optimizer
    assert type(optimizer) is AdamW
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_an_optimiser_may_be_given_or_made(net, data):
    """Both train alike."""
    student = net(2)
    given = make(net, student=student, optimizer=SGD(student.parameters(), lr=0.1))
    made = make(net, optimizer=lambda parameters: SGD(parameters, lr=0.1))
    first, second = (each.fit(data, epochs=2)["loss"].tolist() for each in (given, made))
    assert first == second


def test_a_schedule_goes_by_the_epoch(net, data):
    """The history has each epoch's rate as it began."""
    distiller = make(net, optimizer=SGD, schedule=lambda optimizer: ExponentialLR(optimizer, 0.5))
    assert distiller.fit(data, epochs=3)["learning_rate"].tolist() == [1e-3, 5e-4, 2.5e-4]


def test_a_schedule_goes_by_the_step(net, data):
    """Four steps an epoch are four steps of the schedule."""
    student = net(2)
    optimizer = SGD(student.parameters(), lr=1.0)
    distiller = make(
        net,
        student=student,
        optimizer=optimizer,
        schedule=ExponentialLR(optimizer, 0.5),
        schedule_unit="step",
    )
    assert distiller.fit(data, epochs=3, batch_size=16)["learning_rate"].tolist() == [1.0, 2**-4, 2**-8]


def test_one_cycle_runs_to_its_end(net, data):
    """A schedule with a fixed number of steps gets exactly these."""
    distiller = make(
        net,
        optimizer=lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
        schedule=lambda optimizer: OneCycleLR(optimizer, 1.0, total_steps=8),
        schedule_unit="step",
    )
    distiller.fit(data, epochs=2, batch_size=16)
    assert distiller.schedule.last_epoch == 8


def test_a_plateau_is_seen_in_the_epochs_loss(net, data):
    """ReduceLROnPlateau gets the mean loss, and lowers the rate when it does not fall."""
    distiller = make(
        net,
        optimizer=lambda parameters: SGD(parameters, lr=0.0),
        schedule=lambda optimizer: ReduceLROnPlateau(optimizer, patience=0),
    )
    history = distiller.fit(data, epochs=3, batch_size=50)
    assert distiller.schedule.best == pytest.approx(min(history["loss"]))


class _NoModule:
    """Not a module."""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"student": _NoModule()}, "student must be a torch.nn.Module, got _NoModule"),
        ({"teacher": _NoModule()}, "teacher must be a torch.nn.Module, got _NoModule"),
        ({"teacher": [_NoModule()]}, "Several teachers are one Ensemble"),
        ({"loss": "kl"}, "loss must be a Loss or a callable, got str"),
        ({"loss": losses.LogitMatching}, r"loss is the class LogitMatching: make one of it"),
        (
            {"loss": torch.nn.CrossEntropyLoss()},
            r"and CrossEntropyLoss takes \(input: .* define loss\(\*, student",
        ),
        ({"loss": torch.nn.functional.cross_entropy}, "and cross_entropy takes"),
        ({"loss": lambda z, v: z.logits.mean()}, r"and <lambda> takes \(z, v\): define loss"),
        ({"transfer_set": "full"}, "transfer_set must be a TransferSet, got str"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0"),
        ({"schedule_unit": "batch"}, "schedule_unit must be one of epoch, step; got 'batch'"),
        ({"teacher_cache": "yes"}, "teacher_cache must be one of auto, on, off; got 'yes'"),
        ({"compile": True}, "compile must be one of auto, on, off, graphs; got True"),
        ({"precision": "half"}, "precision must be auto, fp32, tf32, bf16 or fp16"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
        ({"seed": 0.5}, "seed must be a whole number, got 0.5"),
        ({"callbacks": [print]}, "A callback must be a distillkit.Callback"),
        ({"callbacks": _NoModule()}, "A callback must be a distillkit.Callback, got _NoModule"),
        ({"optimizer": lambda parameters: None}, "optimizer must be, or make, .* got NoneType"),
        ({"optimizer": "adam"}, "optimizer must be, or make, .* got str"),
        ({"optimizer": torch.optim.LBFGS}, "LBFGS"),
        ({"schedule": lambda optimizer: None}, "schedule must be, or make, .* got NoneType"),
        ({"schedule": ReduceLROnPlateau, "schedule_unit": "step"}, "use schedule_unit='epoch'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(net, settings, sentence):
    """Each in one sentence, when the Distiller is made."""
    with pytest.raises(ConfigurationError, match=sentence):
        make(net, **settings)


def test_a_schedule_of_another_optimiser_is_refused(net):
    """It would change nothing."""
    other = SGD(net(2).parameters(), lr=0.1)
    with pytest.raises(ConfigurationError, match="belongs to another optimiser"):
        make(net, schedule=ExponentialLR(other, 0.5))


def test_teacher_and_student_must_be_two(net):
    """One module in both places is refused; a student that cannot learn too."""
    both = net(1)
    with pytest.raises(ConfigurationError, match="one object"):
        make(net, teacher=both, student=both)
    with pytest.raises(ConfigurationError, match="no trainable parameters"):
        make(net, student=both.requires_grad_(False))
    assert make(net, teacher=Ensemble([both], average="logits"))


@pytest.mark.parametrize(("epochs", "sentence"), [(0, "epochs must be at least 1"), (1.5, "whole number")])
def test_epochs_are_a_whole_number(net, data, epochs, sentence):
    """Of at least 1."""
    with pytest.raises(ConfigurationError, match=sentence):
        make(net).fit(data, epochs=epochs)
