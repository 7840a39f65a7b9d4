"""One experiment with one seed: its identity, its line, and that every count follows from the predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller
from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.experiments import runs
from distillkit.mnist.experiments.catalogue import CATALOGUE, experiment_ids, experiment_names
from distillkit.mnist.experiments.runs import (
    ExperimentResult,
    costs_like,
    experiment_config,
    run_experiment,
)
from distillkit.mnist.protocols.protocol import HINTON_2015, MODERN
from distillkit.workbench import config_id
from distillkit.workbench.workers.observer import Silent

PROTOCOL = MODERN.with_epochs(1)
TEACHER_ID = "0123456789abcdef"


@pytest.fixture(scope="module")
def context(few_digits: MnistData) -> RunContext:
    """Of a quick run on the stand-in."""
    return RunContext(few_digits, "modern", True, torch.device("cpu"), "fp32", Silent())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Students of 12 units, and fewer of them."""
    monkeypatch.setattr(runs, "WIDTH", 12)
    monkeypatch.setattr(runs, "NARROW_WIDTH", 6)
    few = {
        "hard-weight": {"weights": (0.0, 0.1, 1.0)},
        "logit-matching-students": {"temperatures": (1.0, 20.0)},
        "little-data": {"fractions": (0.1, 1.0)},
    }
    for name, settings in few.items():
        experiment = CATALOGUE[name]
        monkeypatch.setattr(experiment, "settings", {**experiment.settings, **settings})


class Counts(Callback):
    """How many updates of students it was told of."""

    only_watches = True
    updates = 0

    def on_step_end(self, distiller: Distiller, step: int) -> None:
        """One more."""
        self.updates += 1


def run(name: str, context: RunContext, teacher: nn.Module | None, **more: Any) -> ExperimentResult:
    """With seed 0."""
    return run_experiment(name, PROTOCOL, 0, context, teacher, TEACHER_ID, **more)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_count_follows_from_what_is_kept(
    context: RunContext, teacher: nn.Module, few_digits: MnistData, name: str
) -> None:
    """The line is JSON, has its configuration's identity, and a second call gives the same."""
    asked = teacher if CATALOGUE[name].needs_teacher else None
    watched = Counts()
    one, other = run(name, context, asked, watch=[watched]), run(name, context, asked)
    line = json.loads(json.dumps(one.line, allow_nan=False))
    assert line["id"] == config_id(line["config"], 0)
    assert config_id(experiment_config(name, PROTOCOL, context, TEACHER_ID), 0) == line["id"]
    assert line["found"] == json.loads(json.dumps(other.line["found"]))
    assert (line["name"], line["seed"], line["quick"], line["diverged"]) == (name, 0, True, False)
    assert bool(one.predictions) == CATALOGUE[name].counts_errors
    assert all(each.dtype == np.uint8 for each in one.predictions.values())
    assert (
        CATALOGUE[name].recount(line["found"], one.predictions, few_digits.test_labels.numpy())
        == line["found"]
    )
    assert (watched.updates > 0) == (costs_like(name, PROTOCOL) is not None)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].counts_errors])
def test_another_prediction_is_another_count(
    context: RunContext, teacher: nn.Module, few_digits: MnistData, name: str
) -> None:
    """Each array is counted: one that is altered changes a number, and one that lacks is missed."""
    result = run(name, context, teacher)
    labels = few_digits.test_labels.numpy()
    for key in result.predictions:
        altered = {**result.predictions, key: np.full_like(result.predictions[key], 10)}
        assert CATALOGUE[name].recount(result.line["found"], altered, labels) != result.line["found"], key
        with pytest.raises(KeyError):
            CATALOGUE[name].recount(
                result.line["found"], {k: v for k, v in altered.items() if k != key}, labels
            )


def test_the_identity_is_of_all_that_matters(context: RunContext) -> None:
    """Seed, teacher, epochs and settings make another; the teacher of an experiment without one does not."""

    def identity(name: str, protocol: Any = MODERN, teacher: str = TEACHER_ID, seed: int = 0) -> str:
        return config_id(experiment_config(name, protocol, context, teacher), seed)

    changed: Mapping[str, str] = {
        "seed": identity("hard-weight", seed=1),
        "teacher": identity("hard-weight", teacher="another"),
        "epochs": identity("hard-weight", MODERN.with_epochs(2)),
        "protocol": identity("hard-weight", HINTON_2015),
        "name": identity("logit-matching-students"),
        "none": identity("hard-weight"),
    }
    assert len(set(changed.values())) == len(changed)
    assert identity("specialists") == identity("specialists", teacher="another")
    # a teacher's epochs are in its own identity, and sixty are sixty of whatever number
    assert identity("hard-weight", MODERN.with_epochs(70)) == identity("hard-weight")


def test_what_asks_a_teacher_needs_one(context: RunContext) -> None:
    """One sentence says so."""
    with pytest.raises(ConfigurationError, match="asks a trained teacher"):
        run("dark-knowledge", context, None)


def test_ids_name_all_experiments() -> None:
    """Each once; and each has an estimate and epochs."""
    names = experiment_names(MODERN, experiment_ids(MODERN))
    assert names == tuple(CATALOGUE)
    assert experiment_names(HINTON_2015, ["H13"]) == ()
    for name in names:
        cell = costs_like(name, MODERN)
        assert cell is None or cell.training.epochs % CATALOGUE[name].epochs(MODERN) == 0
