"""A job: units of several seeds, in one folder of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch

from distillkit.mnist.cells.cell import Cell, tuning_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.stacks import stacks_of
from distillkit.mnist.jobs.concurrency import number_that_ends_first, ready
from distillkit.mnist.jobs.estimate import Estimates
from distillkit.mnist.jobs.run_ids import Identities
from distillkit.mnist.jobs.stack_unit import StackUnit
from distillkit.mnist.jobs.teachers import Teachers
from distillkit.mnist.jobs.units import Unit
from distillkit.mnist.jobs.worker_task import InAProcess
from distillkit.workbench import ResultStore
from distillkit.workbench.workers.processes import Workers, cpu_threads, settle_workers, threads_each

Stages = Sequence[Sequence[Cell]]
Further = Callable[[int, Identities], Sequence[Unit]]
"""The units of a seed beside its cells."""

SECONDS_THAT_PAY = 30.0
"""Seconds of training in all, from which processes are worth the seconds that they take to start."""


def run_job(
    teacher_of: Callable[[int], Cell],
    stages_of: Callable[[int], Stages],
    seeds: int,
    context: RunContext,
    store: ResultStore,
    *,
    further: Further = lambda seed, identities: (),
) -> list[dict[str, Any]]:
    """Train what is not yet in the store, stage by stage, each with every seed; return all runs' results.

    Args:
        teacher_of: The teacher of a seed's cells, one of them where any has a teacher.
        stages_of: The cells of a seed, in stages.
        seeds: The seeds are 0 to `seeds` − 1.
        context: Data, device, precision, how many units go on at once and who watches.
        store: Opened for writing.
        further: What a seed has beside its cells, after all of them.
    """
    plan = _plan(teacher_of, [stages_of(seed) for seed in range(seeds)], context, further)
    job = _Job(plan, context, store)
    # of the whole plan, so that what is left of a job runs on as many threads, and gives the same numbers
    number = min(_number(plan, context), len(plan))
    threads = threads_each(number)
    todo = job.todo()
    with cpu_threads(threads):
        costs = job.costs(Estimates(context, teacher_of(0).network.build(0)))
        at_once = min(number, len(todo)) if sum(costs.values()) >= SECONDS_THAT_PAY else 1
        context.observer.planned(costs, job.finished(), at_once)
        if at_once <= 1:
            job.one_by_one(todo)
    if at_once > 1:
        with Workers(InAProcess(context, job.teachers.folder), number=at_once, threads=threads) as workers:
            job.side_by_side(todo, workers)
    return store.results


def _plan(
    teacher_of: Callable[[int], Cell], by_seed: Sequence[Stages], context: RunContext, further: Further
) -> list[Unit]:
    """The units, stage by stage."""
    members = [[cell for stage in stages for cell in stage if cell.is_member] for stages in by_seed]
    identities = Identities(teacher_of, members.__getitem__, context)
    stacks = [
        StackUnit(cells, seed, identities)
        for stages in zip(*by_seed, strict=True)
        for seed, stage in enumerate(stages)
        for cells in stacks_of(_with_tuning(stage, seed), context.device)
    ]
    return [*stacks, *(unit for seed in range(len(by_seed)) for unit in further(seed, identities))]


def _number(plan: Sequence[Unit], context: RunContext) -> int:
    """How many units go on side by side, unless the context says."""
    if context.at_once is not None:
        return context.at_once
    return number_that_ends_first(plan, settle_workers(context.device), torch.get_num_threads())


class _Job:
    """The units of a job, which of them are done, and how the others are."""

    def __init__(self, plan: Sequence[Unit], context: RunContext, store: ResultStore) -> None:
        self._plan, self._context, self._store = plan, context, store
        self.teachers = Teachers(store.folder / "teachers", context.device)

    def todo(self) -> list[Unit]:
        """Return the units to train, in order: those without results, and the teachers that they lack."""
        # a stack whole, so that what a kill left of it does not change the others' last digits
        missing = [unit for unit in self._plan if not self._is_done(unit)]
        needed = {run for unit in missing for run in unit.needs if not self.teachers.has(run)}
        return [unit for unit in self._plan if unit in missing or needed & unit.makes]

    def finished(self) -> frozenset[str]:
        """The runs that are done already."""
        return frozenset(run for unit in self._plan for run in unit.finished(self._store))

    def costs(self, estimates: Estimates) -> dict[str, float]:
        """Estimated seconds of every run; 0 of those that need no run any more."""
        costs: dict[str, float] = {}
        for unit in self._plan:
            seconds = 0.0 if self._is_done(unit) else unit.seconds(estimates)
            costs |= dict.fromkeys(unit.runs, seconds / len(unit.runs))
        return costs

    def one_by_one(self, todo: Sequence[Unit]) -> None:
        """Do the units in this process."""
        for unit in todo:
            self._begins(unit)
            self._keep(unit, unit.task(self._store)(self._context, self.teachers))

    def side_by_side(self, todo: Sequence[Unit], workers: Workers) -> None:
        """Give each worker the first unit that can begin, until nothing is left."""
        waiting, running = list(todo), list[Unit]()
        while waiting or running:
            while workers.any_idle and (unit := self._first_ready(waiting, running)) is not None:
                waiting.remove(unit)
                running.append(unit)
                workers.begin(unit.task(self._store), unit)
                self._begins(unit)
            name, event, content = workers.next_event()
            if event == "told":
                method, *arguments = content
                getattr(self._context.observer, method)(*arguments)
            else:
                running.remove(name)
                self._keep(name, content)

    def _is_done(self, unit: Unit) -> bool:
        return unit.finished(self._store) == set(unit.runs)

    def _first_ready(self, waiting: Sequence[Unit], running: Collection[Unit]) -> Unit | None:
        """The first that waits for nothing that is still to be made."""
        return next((unit for unit in ready(waiting, running) if not unit.waits(self._store)), None)

    def _begins(self, unit: Unit) -> None:
        self._context.observer.runs_started(unit.runs, unit.epochs)

    def _keep(self, unit: Unit, done: Any) -> None:
        for run, line in unit.keep(done, self._store, self.teachers).items():
            self._context.observer.run_ended(run, line)


def _with_tuning(cells: Sequence[Cell], seed: int) -> list[Cell]:
    """The cells, each that needs a shift chosen on held-out cases after the run that chooses it."""
    result = []
    for cell in cells:
        if cell.correction is not None and cell.correction.held_out:
            result.append(tuning_cell(cell, cell.correction, seed))
        result.append(cell)
    return result
