"""Units of a job: what is trained as one, what it waits for, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.jobs.teachers import Teachers
from distillkit.workbench import ResultStore


class Task(Protocol):
    """The work of a unit, here or in another process: it can be pickled."""

    def __call__(self, context: RunContext, teachers: Teachers) -> Any:
        """Do it; what comes of it can be pickled, too."""


class Costs(Protocol):
    """The costs of trainings."""

    def seconds(self, cells: Sequence[Cell]) -> float:
        """Seconds of a stack, whole, or what stands for them."""


class Unit(Protocol):
    """A unit of work: everything that is trained as one."""

    @property
    def runs(self) -> Sequence[str]:
        """Return the names of its runs for people."""

    @property
    def epochs(self) -> int:
        """Return the epochs of each run, for progress."""

    @property
    def makes(self) -> frozenset[str]:
        """The ids of its runs whose networks teach."""

    @property
    def needs(self) -> frozenset[str]:
        """The ids of the runs that teach it."""

    def finished(self, store: ResultStore) -> frozenset[str]:
        """Return its runs that have all their results."""

    def waits(self, store: ResultStore) -> bool:
        """Whether it waits for a result that is to come, other than its teachers'."""

    def seconds(self, costs: Costs) -> float:
        """About how long it takes."""

    def task(self, store: ResultStore) -> Task:
        """Return the work to do."""

    def keep(self, done: Any, store: ResultStore, teachers: Teachers) -> Mapping[str, Mapping[str, Any]]:
        """Keep what came of the task; the results of the runs that had none before, by the run."""
