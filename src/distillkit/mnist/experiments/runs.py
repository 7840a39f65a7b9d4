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
from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.inputs import CASES_PROBED, HARD_LABEL_WEIGHT, TEMPERATURE, ExperimentInputs
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.mnist.protocols.training import AnyTraining
from distillkit.workbench import config_id, environment

WIDTH, NARROW_WIDTH = 800, 30
"""Units a layer of the students, and of the nets of the specialists."""


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
        name: Of `catalogue.CATALOGUE`.
        protocol: The settings; the students' epochs are those of the experiment.
        context: Data and precision.
        teacher_id: The identity of the run that made the teacher; not looked at where there is none.
    """
    experiment = CATALOGUE[name]
    settings = {
        key: list(value) if isinstance(value, tuple) else value for key, value in experiment.settings.items()
    }
    config = {
        "name": name,
        **settings,
        "background": protocol.background,
        "data": context.data.sha256,
        "precision": context.precision,
        "teacher": teacher_id if experiment.needs_teacher else None,
    }
    if experiment.looks_at_a_student:
        config |= {"cases": CASES_PROBED, "student": [TEMPERATURE, HARD_LABEL_WEIGHT]}
    if experiment.trains:
        width = WIDTH if experiment.needs_teacher else NARROW_WIDTH
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
        name: Of `catalogue.CATALOGUE`.
        protocol: The settings; shortened where the context is quick.
        seed: Of everything that is drawn.
        context: Data, device, precision.
        teacher: Trained with this seed, on the context's device; None where the experiment needs none.
        teacher_id: The identity of the run that made it.
        watch: Told of each student's training, one after the other or, of a stack, side by side.

    Raises:
        ConfigurationError: There is no teacher and the experiment asks one, or the protocol's schedule counts
            epochs and the experiment cannot do with that.
    """
    began = time.perf_counter()
    config = experiment_config(name, protocol, context, teacher_id)
    inputs = _inputs(name, protocol, seed, context, teacher, watch)
    measured = CATALOGUE[name].run(inputs)
    line = {
        "id": config_id(config, seed),
        "name": name,
        "config": config,
        "seed": seed,
        "found": measured.numbers,
        "diverged": _diverged(measured.numbers),
        "duration_s": round(time.perf_counter() - began, 3),
        "environment": environment(context.device, context.precision),
        "data": {"name": context.data.name, "sha256": context.data.sha256},
        "protocol": context.protocol,
        "quick": context.quick,
        "tuned_on_test": False,
    }
    return ExperimentResult(line, measured.predictions)


def costs_like(name: str, protocol: Protocol) -> Cell | None:
    """A cell whose run takes about as long as the experiment, for an estimate; None where nothing is trained.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> cell = costs_like("hard-weight", MODERN)
        >>> cell.name, cell.training.epochs  # eleven students of sixty epochs
        ('D800-T20', 660)
    """
    experiment = CATALOGUE[name]
    if not experiment.trains:
        return None
    wide = experiment.needs_teacher
    cell = distilled_cell(protocol, WIDTH, TEMPERATURE) if wide else _narrow_cell(protocol)
    epochs = experiment.trains * experiment.epochs(protocol)
    return cell.model_copy(update={"training": cell.training.model_copy(update={"epochs": epochs})})


def _inputs(
    name: str,
    protocol: Protocol,
    seed: int,
    context: RunContext,
    teacher: nn.Module | None,
    watch: Sequence[Callback],
) -> ExperimentInputs:
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
    epochs = CATALOGUE[name].epochs(protocol)
    updates = recipe.updates(len(train[1]), epochs)
    return ExperimentInputs(teacher, recipe, narrow, train, test, seed=seed, epochs=epochs, updates=updates)


def _narrow_cell(protocol: Protocol) -> Cell:
    return baseline_cell(protocol, NARROW_WIDTH)


def _training(name: str, protocol: Protocol) -> AnyTraining:
    return protocol.student_training.model_copy(update={"epochs": CATALOGUE[name].epochs(protocol)})


def _diverged(numbers: Any) -> bool:
    """Whether any student did, wherever its experiment says so."""
    if isinstance(numbers, dict):
        return any(_any(value) if key == "diverged" else _diverged(value) for key, value in numbers.items())
    return isinstance(numbers, list) and any(map(_diverged, numbers))


def _any(value: bool | list[bool]) -> bool:
    return any(value) if isinstance(value, list) else value
