"""Doing a job's tasks in another process, whose parent watches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.jobs.teachers import Teachers
from distillkit.mnist.jobs.units import Task
from distillkit.workbench.workers.observer import Silent
from distillkit.workbench.workers.processes import Tell

_STEPS_TOLD_EVERY = 0.1
"""Seconds: more often nobody can see."""


class InAProcess:
    """Does tasks in a worker: `distillkit.workbench.workers.processes.Work`.

    Args:
        context: As in the parent; who watches is told from afar.
        folder: Of the teachers.
    """

    def __init__(self, context: RunContext, folder: Path) -> None:
        self._context, self._folder = replace(context, observer=Silent()), folder

    def __call__(self, task: Task, tell: Tell) -> Any:
        """Do a task; what is told is the name of an `Observer`'s method, and its arguments."""
        return task(replace(self._context, observer=_Telling(tell)), self._teachers)

    @cached_property
    def _teachers(self) -> Teachers:
        return Teachers(self._folder, self._context.device)


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
