"""Tasks: cells of one seed that are trained as one, here or in a process of their own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from distillkit.experiments.observer import Silent
from distillkit.experiments.workers import Tell
from distillkit.mnist.cells import Cell
from distillkit.mnist.kept import Kept
from distillkit.mnist.runs import Laboratory, TeacherId, train_cells
from distillkit.mnist.teachers import TaughtBy, Teachers

_STEPS_TOLD_EVERY = 0.1
"""Seconds: more often nobody can see."""


@dataclass(frozen=True)
class Task:
    """What is trained, and all that it needs."""

    cells: tuple[Cell, ...]
    seed: int
    taught_by: TaughtBy | None
    """The teacher of those cells that have one."""
    teacher_id: TeacherId
    """Its identity in their configurations."""
    held_out_shift: float | None
    """That a tuning run chose for their correction."""
    teaches: tuple[bool, ...]
    """Of each cell whether others will learn from it."""


@dataclass(frozen=True)
class Done:
    """What came of one cell."""

    kept: list[Kept]
    """Results, the run's own last."""
    weights: Mapping[str, Tensor] | None
    """The trained network's, where it teaches."""


def do_task(task: Task, laboratory: Laboratory, teachers: Teachers) -> list[Done]:
    """Train the cells of a task; its teachers' files are there."""
    trained = train_cells(
        task.cells,
        task.seed,
        laboratory,
        teacher=None if task.taught_by is None else teachers.network(task.taught_by),
        teacher_id=task.teacher_id,
        held_out_shift=task.held_out_shift,
    )
    return [
        Done(one.kept, one.network.state_dict() if teaches else None)
        for one, teaches in zip(trained, task.teaches, strict=True)
    ]


class InAProcess:
    """Does tasks in a worker, whose parent watches: `distillkit.experiments.workers.Work`.

    Args:
        laboratory: As in the parent; who watches is told from afar.
        folder: Of the teachers.
    """

    def __init__(self, laboratory: Laboratory, folder: Path) -> None:
        self._laboratory, self._folder = replace(laboratory, observer=Silent()), folder

    def __call__(self, task: Task, tell: Tell) -> list[Done]:
        """Do a task; what is told is the name of an `Observer`'s method, and its arguments."""
        return do_task(task, replace(self._laboratory, observer=_Telling(tell)), self._teachers)

    @cached_property
    def _teachers(self) -> Teachers:
        return Teachers(self._folder, self._laboratory.device)


class _Telling(Silent):
    """Tells of steps and epochs."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._told = tell, 0.0

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """Tell, ten times a second at most."""
        now = time.monotonic()
        if now - self._told >= _STEPS_TOLD_EVERY:
            self._told = now
            self._tell("step_ended", run, epoch, share_of_epoch)

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """Tell."""
        self._tell("epoch_ended", run, row)
