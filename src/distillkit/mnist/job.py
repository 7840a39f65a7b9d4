"""A job: cells times seeds, in one folder of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from distillkit.experiments import ResultStore, config_id
from distillkit.experiments.workers import Workers, cpu_threads, threads_each
from distillkit.mnist.cells import Cell, tuning_cell
from distillkit.mnist.corrected_results import corrected_config
from distillkit.mnist.ensembles import ensemble_config, ensemble_id
from distillkit.mnist.estimate import Estimates
from distillkit.mnist.kept import Kept
from distillkit.mnist.runs import Laboratory, TeacherId, run_config, run_name
from distillkit.mnist.stacks import stacks_of
from distillkit.mnist.tasks import Done, InAProcess, Task, do_task
from distillkit.mnist.teachers import TaughtBy, Teachers

Stages = Sequence[Sequence[Cell]]

SECONDS_THAT_PAY = 30.0
"""Of training in all, from which it is worth the seconds that processes take to start."""


def run_job(
    teacher_of: Callable[[int], Cell],
    stages_of: Callable[[int], Stages],
    seeds: int,
    laboratory: Laboratory,
    store: ResultStore,
) -> list[dict[str, Any]]:
    """Train what is not yet in the store, stage by stage, each with every seed; return all results.

    Args:
        teacher_of: The teacher of a seed's cells, one of them where any has a teacher.
        stages_of: The cells of a seed, in stages.
        seeds: The seeds are 0 to `seeds` − 1.
        laboratory: Data, device, precision, how many runs go on at once and who watches.
        store: Opened for writing.
    """
    job = _Job(teacher_of, stages_of, seeds, laboratory, store)
    # of the whole plan, so that what is left of a job runs on as many threads, and gives the same numbers
    threads = threads_each(min(laboratory.at_once, len(job.plan)))
    todo = job.todo()
    with cpu_threads(threads):
        costs = job.costs()
        at_once = min(laboratory.at_once, len(todo)) if sum(costs.values()) >= SECONDS_THAT_PAY else 1
        laboratory.observer.planned(costs, job.finished(), at_once)
        if at_once <= 1:
            _one_by_one(job, todo)
    if at_once > 1:
        _side_by_side(job, todo, Workers(job.in_a_process(), number=at_once, threads=threads))
    return store.results


@dataclass(frozen=True, eq=False)
class _Unit:
    """Cells of one seed that are trained as one."""

    seed: int
    cells: tuple[Cell, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """What the runs are called."""
        return tuple(run_name(cell.name, self.seed) for cell in self.cells)


def _one_by_one(job: _Job, todo: Sequence[_Unit]) -> None:
    for unit in todo:
        job.begins(unit)
        job.keep(unit, job.do(unit))


def _side_by_side(job: _Job, todo: Sequence[_Unit], workers: Workers) -> None:
    """Give each worker the first that can begin, until nothing is left."""
    waiting, running = list(todo), set[_Unit]()
    with workers:
        while waiting or running:
            while workers.any_idle and (unit := job.first_ready(waiting, running)) is not None:
                waiting.remove(unit)
                running.add(unit)
                workers.begin(job.task(unit), unit)
                job.begins(unit)
            name, event, content = workers.next_event()
            if event == "told":
                job.tell(*content)
            else:
                unit = next(one for one in running if one is name)
                running.remove(unit)
                job.keep(unit, content)


class _Job:
    """The runs of a job, which of them there are, and what each needs."""

    def __init__(
        self,
        teacher_of: Callable[[int], Cell],
        stages_of: Callable[[int], Stages],
        seeds: int,
        laboratory: Laboratory,
        store: ResultStore,
    ) -> None:
        self._laboratory, self._store = laboratory, store
        self._teachers = Teachers(store.folder / "teachers", laboratory.device)
        by_seed = [stages_of(seed) for seed in range(seeds)]
        self.plan = [
            _Unit(seed, tuple(cells))
            for stages in zip(*by_seed, strict=True)
            for seed, stage in enumerate(stages)
            for cells in stacks_of(_with_tuning(stage, seed), laboratory.device)
        ]
        self._teacher_cells = [teacher_of(seed) for seed in range(seeds)]
        self._members = [[cell for stage in stages for cell in stage if cell.is_member] for stages in by_seed]
        self._ids: dict[tuple[str, int], str] = {}

    def todo(self) -> list[_Unit]:
        """What is trained, in the order of the plan: what has no results, and teachers that it lacks."""
        # a stack whole, so that what a kill left of it does not change the others' last digits
        missing = {unit for unit in self.plan if not self._is_done(unit)}
        needed = {run for unit in missing for run in self._needs(unit) if not self._teachers.has(run)}
        return [unit for unit in self.plan if unit in missing or needed & self._makes(unit)]

    def first_ready(self, waiting: Sequence[_Unit], running: Collection[_Unit]) -> _Unit | None:
        """The first that waits for nothing that is still to be made."""
        to_come = {run for unit in (*waiting, *running) for run in self._makes(unit)}
        ready = (
            unit for unit in waiting if not to_come & self._needs(unit) and not self._waits_for_a_shift(unit)
        )
        return next(ready, None)

    def finished(self) -> frozenset[str]:
        """The runs that are done already."""
        return frozenset(
            run
            for unit in self.plan
            for run, cell in zip(unit.runs, unit.cells, strict=True)
            if self._has(cell, unit.seed)
        )

    def costs(self) -> dict[str, float]:
        """Estimated seconds of every run; 0 of those that need no run any more."""
        estimates = Estimates(self._laboratory)
        untrained = self._teacher_cells[0].network.build(0).to(self._laboratory.device)
        costs: dict[str, float] = {}
        for unit in self.plan:
            seconds = 0.0 if self._is_done(unit) else estimates.seconds(unit.cells, untrained)
            costs |= dict.fromkeys(unit.runs, seconds / len(unit.cells))
        return costs

    def task(self, unit: _Unit) -> Task:
        """All that the training of a unit needs; its teachers are there."""
        taught = next((cell for cell in unit.cells if cell.has_teacher), unit.cells[0])
        return Task(
            unit.cells,
            unit.seed,
            taught_by=self._taught_by(taught, unit.seed),
            teacher_id=self._teacher_id(taught, unit.seed),
            held_out_shift=self._held_out_shift(unit),
            teaches=tuple(self._teaches(cell, unit.seed) for cell in unit.cells),
        )

    def do(self, unit: _Unit) -> list[Done]:
        """Train a unit in this process."""
        return do_task(self.task(unit), self._laboratory, self._teachers)

    def in_a_process(self) -> InAProcess:
        """What trains units in other processes."""
        return InAProcess(self._laboratory, self._store.folder / "teachers")

    def begins(self, unit: _Unit) -> None:
        """Say so."""
        self._laboratory.observer.runs_started(unit.runs, unit.cells[0].training.epochs)

    def tell(self, method: str, *arguments: Any) -> None:
        """Tell whoever watches what a worker has told."""
        getattr(self._laboratory.observer, method)(*arguments)

    def keep(self, unit: _Unit, done: Sequence[Done]) -> None:
        """Keep what came of a unit."""
        for cell, run, one in zip(unit.cells, unit.runs, done, strict=True):
            if one.weights is not None:
                # before its line, so that a teacher that is in the results can be read
                self._teachers.keep(self._id(cell, unit.seed), one.weights)
            self._keep(one.kept, run)

    def _keep(self, kept: Sequence[Kept], run: str) -> None:
        there = self._store.get(kept[-1].line["id"]) is not None
        for one in kept:
            # what comes with a run stands before its line, so a kill between them leaves some of it there
            if self._store.get(one.line["id"]) is None:
                self._store.add(one.line, one.predictions)
        if not there:
            self._laboratory.observer.run_ended(run, kept[-1].line)

    def _is_done(self, unit: _Unit) -> bool:
        return all(self._has(cell, unit.seed) for cell in unit.cells)

    def _has(self, cell: Cell, seed: int) -> bool:
        """Whether the cell's line is in the results, and the others that come with it."""
        line = self._line(cell, seed)
        if line is None:
            return False
        beside = [corrected_config(line["config"], kind) for kind in _kinds(cell)]
        beside += [ensemble_config(line["config"])] if cell.ensemble is not None else []
        return all(self._store.get(config_id(config, seed)) is not None for config in beside)

    def _line(self, cell: Cell, seed: int) -> dict[str, Any] | None:
        return self._store.get(self._id(cell, seed))

    def _id(self, cell: Cell, seed: int) -> str:
        key = cell.name, seed
        if key not in self._ids:
            self._ids[key] = config_id(run_config(cell, self._laboratory, self._teacher_id(cell, seed)), seed)
        return self._ids[key]

    def _teacher_id(self, cell: Cell, seed: int) -> TeacherId:
        """The identity of the teacher of a cell, if it has one."""
        taught_by = self._taught_by(cell, seed)
        if taught_by is None:
            return None
        runs = [run for run, _ in taught_by.nets]
        return runs[0] if taught_by.average is None else ensemble_id(runs, taught_by.average)

    def _taught_by(self, cell: Cell, seed: int) -> TaughtBy | None:
        if not cell.has_teacher:
            return None
        nets = [self._teacher_cells[seed]] if cell.ensemble is None else self._members[seed]
        return TaughtBy(tuple((self._id(net, seed), net) for net in nets), cell.ensemble)

    def _teaches(self, cell: Cell, seed: int) -> bool:
        return cell.is_member or cell == self._teacher_cells[seed]

    def _makes(self, unit: _Unit) -> frozenset[str]:
        """The ids of the runs of a unit whose networks teach."""
        return frozenset(self._id(cell, unit.seed) for cell in unit.cells if self._teaches(cell, unit.seed))

    def _needs(self, unit: _Unit) -> frozenset[str]:
        """The ids of the runs that teach a unit."""
        taught_by = (self._taught_by(cell, unit.seed) for cell in unit.cells)
        return frozenset(run for one in taught_by if one is not None for run in one.ids)

    def _waits_for_a_shift(self, unit: _Unit) -> bool:
        return any(
            cell.correction is not None and cell.correction.held_out and self._tuned(cell, unit.seed) is None
            for cell in unit.cells
        )

    def _held_out_shift(self, unit: _Unit) -> float | None:
        tuned = self._tuned(unit.cells[0], unit.seed)
        return None if tuned is None else tuned["correction"]["shift"]

    def _tuned(self, cell: Cell, seed: int) -> dict[str, Any] | None:
        """The run that chose a shift for a cell's correction, if there is to be one and it has ended."""
        if cell.correction is None or not cell.correction.held_out:
            return None
        return self._line(tuning_cell(cell, cell.correction, seed), seed)


def _kinds(cell: Cell) -> tuple[str, ...]:
    return () if cell.correction is None else cell.correction.kinds


def _with_tuning(cells: Sequence[Cell], seed: int) -> list[Cell]:
    """The cells, each that needs a shift chosen on held-out cases after the run that chooses it."""
    result = []
    for cell in cells:
        if cell.correction is not None and cell.correction.held_out:
            result.append(tuning_cell(cell, cell.correction, seed))
        result.append(cell)
    return result
