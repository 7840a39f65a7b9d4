"""The state of a training is in one place, and a training goes on from it as if it had never stopped."""

from __future__ import annotations

import copy
import io
import json

import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, ReduceLROnPlateau

from distillkit import Callback, Distiller, fit_together, losses
from distillkit.errors import ConfigurationError
from distillkit.schedules import Linear, WarmUp
from optimizers import sgd

FITNET = losses.FitNet(layers={"0": "0"})
SCHEDULED = losses.WeightedSum(
    terms={"soft": losses.SoftTargets(temperature=Linear(start=8, end=2)), "hard": losses.HardLabels()},
    weights={"soft": WarmUp(end=0.9, share=0.5), "hard": 0.1},
)
WAYS = {
    "plain": {"loss": losses.hinton(4, 0.5)},
    "adapters": {"loss": FITNET},
    "adapters beside logits": {
        "loss": losses.WeightedSum(terms={"fitnet": FITNET, "hinton": losses.hinton(4, 0.5)})
    },
    "scheduled": {"loss": SCHEDULED},
    "a rate that falls by the epoch": {
        "loss": losses.HardLabels(),
        "optimizer": sgd,
        "schedule": lambda optimizer: ExponentialLR(optimizer, 0.5),
    },
    "a rate that falls by the step": {
        "loss": FITNET,
        "optimizer": sgd,
        "schedule": lambda optimizer: ExponentialLR(optimizer, 0.9),
        "schedule_unit": "step",
    },
    "a plateau": {
        "loss": losses.HardLabels(),
        "schedule": lambda optimizer: ReduceLROnPlateau(optimizer, patience=0),
    },
    "clipped": {"loss": losses.hinton(4, 0.5), "clip_norm": 0.1, "optimizer": sgd},
}


class KeepState(Callback):
    """Keeps the state after an epoch, as a file would."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.file = epoch, io.BytesIO()

    def on_epoch_end(self, distiller, row):
        """After the row is written."""
        if row["epoch"] == self.epoch:
            torch.save(distiller.state_dict(), self.file)
            self.file.seek(0)


def distiller(net, settings, callbacks=()):
    """A student with dropout of 8 units under a teacher of 12."""
    return Distiller(
        teacher=net(1, hidden=12),
        student=net(2, dropout=0.3),
        precision="fp32",
        callbacks=callbacks,
        **settings,
    )


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_on_as_if_it_had_never_stopped(net, data, way):
    """To the bit: weights, adapters, rates, schedules and history; from a file that holds no code."""
    keep = KeepState(2)
    whole = distiller(net, WAYS[way], [keep])
    expected = whole.fit(data, epochs=5, batch_size=16, evaluate_on=data)
    fresh = distiller(net, WAYS[way])
    fresh.load_state_dict(torch.load(keep.file, weights_only=True))
    history = fresh.fit(data, epochs=3, batch_size=16, evaluate_on=data)
    pd.testing.assert_frame_equal(history, expected, check_exact=True)
    for one, other in zip(
        fresh.training.trained.parameters(), whole.training.trained.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    assert fresh.epochs_done == 5
    assert fresh.training.updates_done == fresh.training.batches_done == 5 * 4


def test_another_number_of_epochs_begins_history_and_schedules_anew(net, data):
    """The weights and the optimiser go on."""
    keep = KeepState(2)
    distiller(net, WAYS["scheduled"], [keep]).fit(data, epochs=5)
    fresh = distiller(net, WAYS["scheduled"])
    fresh.load_state_dict(torch.load(keep.file, weights_only=True))
    history = fresh.fit(data, epochs=2)
    assert history["epoch"].tolist() == [3, 4]
    assert history["terms.soft.temperature"].tolist() == [8.0, 5.0]


def test_the_rest_of_the_state_is_plain_data(net, data):
    """Counts, rows and times go through JSON."""
    made = distiller(net, WAYS["plain"])
    made.fit(data, epochs=2, evaluate_on=data)
    state = made.state_dict()
    plain = {name: state[name] for name in ("epochs_done", "batches_done", "updates_done", "total", "done")}
    assert json.loads(json.dumps(plain)) == plain
    assert [row["epoch"] for row in json.loads(json.dumps(state["rows"]))] == [1, 2]


def test_a_loop_of_ones_own_goes_on_too(net, data):
    """With `step`, adapters and optimiser are filled when they are made."""
    whole, halved = (distiller(net, WAYS["adapters"]) for _ in range(2))
    for _ in range(2):
        whole.step(data)
        halved.step(data)
    fresh = distiller(net, WAYS["adapters"])
    fresh.load_state_dict(copy.deepcopy(halved.state_dict()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = [float(whole.step(data)["fitnet"]) for _ in range(2)]
        torch.manual_seed(3)
        assert [float(fresh.step(data)["fitnet"]) for _ in range(2)] == expected
    assert fresh.training.updates_done == 4


def test_members_of_a_stack_have_their_own_state(net, data):
    """One that was trained in a stack goes on alone, as from the same state it would."""

    def pair():
        return [
            Distiller(
                teacher=net(1),
                student=net(s),
                loss=losses.SoftTargets(temperature=2),
                seed=s,
                precision="fp32",
            )
            for s in (2, 3)
        ]

    stacked = pair()
    fit_together(stacked, data, epochs=2, stack_size=2)
    states = [copy.deepcopy(one.state_dict()) for one in stacked]
    assert [state["epochs_done"] for state in states] == [2, 2]
    assert [len(state["rows"]) for state in states] == [2, 2]
    for one, state in zip(pair(), states, strict=True):
        one.load_state_dict(state)
        one.fit(data, epochs=1)
        assert one.epochs_done == 3
    again = pair()
    for one, state in zip(again, states, strict=True):
        one.load_state_dict(state)
    histories = fit_together(again, data, epochs=1, stack_size=2)
    assert [history["epoch"].tolist() for history in histories] == [[3], [3]]


def test_an_optimiser_is_made_once(net, data):
    """With the Distiller where the loss learns nothing, else with the first batch."""
    made = []

    def factory(parameters):
        made.append(torch.optim.SGD(parameters, lr=0.1))
        return made[-1]

    plain = distiller(net, {"loss": losses.HardLabels(), "optimizer": factory})
    assert plain.optimizer is made[0]
    plain.fit(data, epochs=1)
    assert plain.optimizer is made[0]
    made.clear()
    learning = distiller(net, {"loss": FITNET, "optimizer": factory})
    assert made == []
    with pytest.raises(ConfigurationError, match="the optimiser is made with the first batch"):
        _ = learning.optimizer
    learning.fit(data, epochs=1)
    learning.fit(data, epochs=1)
    assert made == [learning.optimizer]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer": "adam"}, "optimizer must be, or make, .* got str"),
        ({"schedule": "cosine"}, "schedule must be, or make, .* got str"),
        ({"schedule_unit": "batch"}, "schedule_unit must be one of"),
    ],
)
def test_settings_are_refused_at_once_where_the_optimiser_comes_later(net, settings, sentence):
    """Not after the first batch was read."""
    with pytest.raises(ConfigurationError, match=sentence):
        distiller(net, {"loss": FITNET, **settings})


def test_empty_data_are_refused_before_adapters_are_made(net):
    """In the sentence of data that give no batch."""
    with pytest.raises(ConfigurationError, match="The data gave no batch in epoch 1"):
        distiller(net, {"loss": FITNET}).fit([], epochs=1)


def test_student_and_adapters_are_one_module_that_is_no_part_of_the_student(net, data):
    """It can be wrapped as one; the student's own state stays its own."""
    made = distiller(net, {"loss": FITNET})
    names = list(made.student.state_dict())
    made.fit(data, epochs=1)
    trained = made.training.trained
    assert isinstance(trained, nn.Module)
    assert {name.partition(".")[0] for name in trained.state_dict()} == {"student", "adapters"}
    assert list(made.student.state_dict()) == names
