"""One experiment with one seed: what its result depends on, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from distillkit import Callback
from distillkit.mnist.cells.cell import Cell, baseline_cell, distilled_cell
from distillkit.mnist.cells.run_context import RunContext, TeacherId
from distillkit.mnist.experiments.logit_matching import STUDENT_TEMPERATURES
from distillkit.mnist.experiments.plan import epochs_of, has_teacher
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.mnist.experiments.suite import (
    CASES_PROBED,
    HARD_LABEL_WEIGHT,
    SETTINGS,
    TEMPERATURE,
    Bench,
)
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.mnist.protocols.training import AnyTraining
from distillkit.workbench import config_id, environment

WIDTH, NARROW_WIDTH = 800, 30
"""Units a layer of the students, and of the nets of the specialists."""
_AT_A_STUDENT = ("t-squared", "logit-matching")
_STUDENTS = {
    "t-squared": 1,
    "hard-weight": len(SETTINGS["hard-weight"]["weights"]),
    "logit-matching": 1,
    "logit-matching-students": len(STUDENT_TEMPERATURES) + 3,
    "little-data": 2 * len(SETTINGS["little-data"]["fractions"]),
    # the generalist and its longer training, two nets, and specialists of at most two passes together
    "specialists": 6,
    "dark-knowledge": 0,
}
"""How many times an experiment trains a student on all cases, or as long."""


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """A line of experiments.jsonl, and what the networks predict that it counts errors of."""

    line: dict[str, Any]
    predictions: dict[str, NDArray[np.uint8]]


def experiment_config(
    name: str, protocol: Protocol, context: RunContext, teacher_id: TeacherId
) -> dict[str, Any]:
    """All that an experiment's result depends on but for the seed, as plain data.

    With `config_id` it is the result's identity.

    Args:
        name: Of `suite.EXPERIMENTS`.
        protocol: The settings; the students' epochs are those of `plan.epochs_of`.
        context: Data and precision.
        teacher_id: The identity of the run that made the teacher; not looked at where there is none.
    """
    settings = {
        key: list(value) if isinstance(value, tuple) else value for key, value in SETTINGS[name].items()
    }
    config = {
        "name": name,
        **settings,
        "background": protocol.background,
        "data": context.data.sha256,
        "precision": context.precision,
        "teacher": teacher_id if has_teacher(name) else None,
    }
    if name in _AT_A_STUDENT:
        config |= {"cases": CASES_PROBED, "student": [TEMPERATURE, HARD_LABEL_WEIGHT]}
    if _STUDENTS[name]:
        width = WIDTH if has_teacher(name) else NARROW_WIDTH
        config |= {
            "network": protocol.student(width).model_dump(mode="json"),
            "training": _training(name, protocol).model_dump(mode="json"),
        }
    return config


def run_experiment(
    name: str,
    protocol: Protocol,
    seed: int,
    context: RunContext,
    teacher: nn.Module | None,
    teacher_id: TeacherId,
    *,
    watch: Sequence[Callback] = (),
) -> ExperimentResult:
    """Run one experiment with one seed.

    Nothing in it is chosen on the test cases: every setting is fixed beforehand, and where a student is
    stopped early, held-out training cases say when.

    Args:
        name: Of `suite.EXPERIMENTS`, or of `plan.experiment_names`.
        protocol: The settings; shortened where the context is quick.
        seed: Of everything that is drawn.
        context: Data, device, precision.
        teacher: Trained with this seed, on the context's device; None where `plan.has_teacher` is False.
        teacher_id: The identity of the run that made it.
        watch: Told of each student's training, one after the other or, of a stack, side by side.

    Raises:
        ConfigurationError: There is no teacher and the experiment asks one, or the protocol's schedule counts
            epochs and the experiment cannot do with that.
    """
    began = time.perf_counter()
    config = experiment_config(name, protocol, context, teacher_id)
    found = _bench(name, protocol, seed, context, teacher, watch).run(name)
    line = {
        "id": config_id(config, seed),
        "name": name,
        "config": config,
        "seed": seed,
        "found": found.numbers,
        "diverged": _diverged(found.numbers),
        "duration_s": round(time.perf_counter() - began, 3),
        "environment": environment(context.device, context.precision),
        "data": {"name": context.data.name, "sha256": context.data.sha256},
        "protocol": context.protocol,
        "quick": context.quick,
        "tuned_on_test": False,
    }
    return ExperimentResult(line, found.predictions)


def costs_like(name: str, protocol: Protocol) -> Cell | None:
    """A cell whose run takes about as long as the experiment, for an estimate; None where nothing is trained.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> cell = costs_like("hard-weight", MODERN)
        >>> cell.name, cell.training.epochs  # eleven students of sixty epochs
        ('D800-T20', 660)
    """
    if not _STUDENTS[name]:
        return None
    cell = distilled_cell(protocol, WIDTH, TEMPERATURE) if has_teacher(name) else _narrow_cell(protocol)
    epochs = _STUDENTS[name] * epochs_of(name, protocol)
    return cell.model_copy(update={"training": cell.training.model_copy(update={"epochs": epochs})})


def _bench(
    name: str,
    protocol: Protocol,
    seed: int,
    context: RunContext,
    teacher: nn.Module | None,
    watch: Sequence[Callback],
) -> Bench:
    recipe, narrow = (
        Recipe(
            protocol.student(width),
            _training(name, protocol),
            context.precision,
            context.device,
            teacher_cache=context.teacher_cache,
            watch=watch,
        )
        for width in (WIDTH, NARROW_WIDTH)
    )
    # the images are the same for students of any width
    train, test = context.train(_narrow_cell(protocol)), context.test(_narrow_cell(protocol))
    epochs = epochs_of(name, protocol)
    updates = recipe.updates(len(train[1]), epochs)
    return Bench(teacher, recipe, narrow, train, test, seed=seed, epochs=epochs, updates=updates)


def _narrow_cell(protocol: Protocol) -> Cell:
    return baseline_cell(protocol, NARROW_WIDTH)


def _training(name: str, protocol: Protocol) -> AnyTraining:
    return protocol.student_training.model_copy(update={"epochs": epochs_of(name, protocol)})


def _diverged(numbers: Any) -> bool:
    """Whether any student did, wherever its experiment says so."""
    if isinstance(numbers, dict):
        return any(_any(value) if key == "diverged" else _diverged(value) for key, value in numbers.items())
    return isinstance(numbers, list) and any(map(_diverged, numbers))


def _any(value: bool | list[bool]) -> bool:
    return any(value) if isinstance(value, list) else value
