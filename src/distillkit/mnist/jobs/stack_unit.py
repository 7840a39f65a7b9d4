"""Cells of one seed that are trained as one stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from distillkit.mnist.cells.cell import BiasCorrection, Cell, tuning_cell
from distillkit.mnist.cells.corrected_results import corrected_config
from distillkit.mnist.cells.ensembles import ensemble_config
from distillkit.mnist.cells.run_context import RunContext, TeacherId, run_name
from distillkit.mnist.cells.run_record import Kept
from distillkit.mnist.cells.runs import train_cells
from distillkit.mnist.jobs.run_ids import Identities
from distillkit.mnist.jobs.teachers import Teachers, TeacherSpec
from distillkit.mnist.jobs.units import Costs
from distillkit.workbench import ResultStore, config_id


@dataclass(frozen=True)
class Done:
    """The results of one cell."""

    kept: list[Kept]
    """Results, the run's own last."""
    weights: Mapping[str, Tensor] | None
    """The trained network's, where it teaches."""


@dataclass(frozen=True)
class TrainCells:
    """Trains cells; `distillkit.mnist.jobs.units.Task`."""

    cells: tuple[Cell, ...]
    seed: int
    taught_by: TeacherSpec | None
    """The teacher of those cells that have one."""
    teacher_id: TeacherId
    """Its identity in their configurations."""
    held_out_shift: float | None
    """The shift that a tuning run chose for their correction."""
    teaches: tuple[bool, ...]
    """Whether others will learn from each cell."""

    def __call__(self, context: RunContext, teachers: Teachers) -> list[Done]:
        """Train them; their teachers' files are there."""
        trained = train_cells(
            self.cells,
            self.seed,
            context,
            teacher=None if self.taught_by is None else teachers.network(self.taught_by),
            teacher_id=self.teacher_id,
            held_out_shift=self.held_out_shift,
        )
        return [
            Done(one.kept, one.network.state_dict() if teaches else None)
            for one, teaches in zip(trained, self.teaches, strict=True)
        ]


class StackUnit:
    """A stack, or a cell alone: `distillkit.mnist.jobs.units.Unit`.

    Args:
        cells: Of one training.
        seed: Theirs.
        identities: Of the job's runs.
    """

    def __init__(self, cells: Sequence[Cell], seed: int, identities: Identities) -> None:
        self.cells, self.seed = tuple(cells), seed
        self.runs = tuple(run_name(cell.name, seed) for cell in cells)
        self.epochs = self.cells[0].training.epochs
        self._identities = identities

    @cached_property
    def makes(self) -> frozenset[str]:
        """The ids of its runs whose networks teach."""
        teaching = (cell for cell in self.cells if self._identities.teaches(cell, self.seed))
        return frozenset(self._identities.run(cell, self.seed) for cell in teaching)

    @cached_property
    def needs(self) -> frozenset[str]:
        """The ids of the runs that teach it."""
        taught_by = (self._identities.taught_by(cell, self.seed) for cell in self.cells)
        return frozenset(run for one in taught_by if one is not None for run in one.ids)

    def finished(self, store: ResultStore) -> frozenset[str]:
        """The runs whose lines are there, and the others that come with them."""
        return frozenset(
            run for run, cell in zip(self.runs, self.cells, strict=True) if self._has(cell, store)
        )

    def waits(self, store: ResultStore) -> bool:
        """Whether a shift is still to be chosen for a correction."""
        return any(_held_out(cell) is not None and self._tuned(cell, store) is None for cell in self.cells)

    def seconds(self, costs: Costs) -> float:
        """About how long it takes."""
        return costs.seconds(self.cells)

    def task(self, store: ResultStore) -> TrainCells:
        """All that the training needs; its teachers and its shift are there."""
        taught = next((cell for cell in self.cells if cell.has_teacher), self.cells[0])
        tuned = self._tuned(self.cells[0], store)
        return TrainCells(
            self.cells,
            self.seed,
            taught_by=self._identities.taught_by(taught, self.seed),
            teacher_id=self._identities.teacher(taught, self.seed),
            held_out_shift=None if tuned is None else tuned["correction"]["shift"],
            teaches=tuple(self._identities.teaches(cell, self.seed) for cell in self.cells),
        )

    def keep(
        self, done: Sequence[Done], store: ResultStore, teachers: Teachers
    ) -> dict[str, Mapping[str, Any]]:
        """Keep networks that teach, and results; those of runs that had none before, by the run."""
        new: dict[str, Mapping[str, Any]] = {}
        for cell, run, one in zip(self.cells, self.runs, done, strict=True):
            if one.weights is not None:
                # before its line, so that a teacher that is in the results can be read
                teachers.keep(self._identities.run(cell, self.seed), one.weights)
            line = one.kept[-1].line
            if store.get(line["id"]) is None:
                new[run] = line
            for kept in one.kept:
                # what comes with a run stands before its line, so a kill between leaves some of it there
                if store.get(kept.line["id"]) is None:
                    store.add(kept.line, kept.predictions)
        return new

    def _has(self, cell: Cell, store: ResultStore) -> bool:
        line = self._line(cell, store)
        if line is None:
            return False
        kinds = () if cell.correction is None else cell.correction.kinds
        beside = [corrected_config(line["config"], kind) for kind in kinds]
        beside += [ensemble_config(line["config"])] if cell.ensemble is not None else []
        return all(store.get(config_id(config, self.seed)) is not None for config in beside)

    def _line(self, cell: Cell, store: ResultStore) -> dict[str, Any] | None:
        return store.get(self._identities.run(cell, self.seed))

    def _tuned(self, cell: Cell, store: ResultStore) -> dict[str, Any] | None:
        """The run that chose a shift for a cell's correction, if there is to be one and it has ended."""
        correction = _held_out(cell)
        return None if correction is None else self._line(tuning_cell(cell, correction, self.seed), store)


def _held_out(cell: Cell) -> BiasCorrection | None:
    """A cell's correction, where a run of its own chooses a shift for it."""
    return cell.correction if cell.correction is not None and cell.correction.held_out else None
