"""Which run is which: the ids of cells with their seeds, and of the runs that teach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.cells.ensembles import ensemble_id
from distillkit.mnist.cells.run_context import RunContext, TeacherId, run_config
from distillkit.mnist.jobs.teachers import TeacherSpec
from distillkit.workbench import config_id


class Identities:
    """The ids of the runs of a job.

    Args:
        teacher_of: The teacher of a seed's cells.
        members_of: The nets of a seed's ensemble, in their order.
        context: Of the runs.
    """

    def __init__(
        self,
        teacher_of: Callable[[int], Cell],
        members_of: Callable[[int], Sequence[Cell]],
        context: RunContext,
    ) -> None:
        self._teacher_of, self._members_of, self._context = teacher_of, members_of, context
        self._known: dict[tuple[str, int], str] = {}

    def run(self, cell: Cell, seed: int) -> str:
        """The id of a cell's run."""
        key = cell.name, seed
        if key not in self._known:
            config = run_config(cell, self._context, self.teacher(cell, seed))
            self._known[key] = config_id(config, seed)
        return self._known[key]

    def teaches(self, cell: Cell, seed: int) -> bool:
        """Whether others may learn from a cell's network."""
        return cell.is_member or cell == self._teacher_of(seed)

    def seeds_teacher(self, seed: int) -> TeacherSpec:
        """The teacher of a seed."""
        cell = self._teacher_of(seed)
        return TeacherSpec(((self.run(cell, seed), cell),))

    def taught_by(self, cell: Cell, seed: int) -> TeacherSpec | None:
        """Who teaches a cell; `None` where it has no teacher."""
        if not cell.has_teacher:
            return None
        if cell.ensemble is None:
            return self.seeds_teacher(seed)
        return TeacherSpec(tuple((self.run(net, seed), net) for net in self._members_of(seed)), cell.ensemble)

    def teacher(self, cell: Cell, seed: int) -> TeacherId:
        """The identity of a cell's teacher, as its configuration has it."""
        taught_by = self.taught_by(cell, seed)
        if taught_by is None:
            return None
        runs = [run for run, _ in taught_by.nets]
        return runs[0] if taught_by.average is None else ensemble_id(runs, taught_by.average)
