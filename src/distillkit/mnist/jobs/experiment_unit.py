"""An experiment of several networks, with one seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distillkit import Callback, Watched
from distillkit.mnist.cells.run_context import RunContext, TeacherId, run_name
from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.runs import ExperimentResult, costs_like, experiment_config, run_experiment
from distillkit.mnist.jobs.run_ids import Identities
from distillkit.mnist.jobs.teachers import Teachers, TeacherSpec
from distillkit.mnist.jobs.units import Costs
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.workbench import ResultStore, config_id


@dataclass(frozen=True)
class RunExperiment:
    """Runs it; `distillkit.mnist.jobs.units.Task`."""

    name: str
    protocol: Protocol
    seed: int
    taught_by: TeacherSpec | None
    teacher_id: TeacherId

    def __call__(self, context: RunContext, teachers: Teachers) -> ExperimentResult:
        """Run it; its teacher's file is there."""
        watch = _Watch(self.name, self.protocol, self.seed, context)
        return run_experiment(
            self.name,
            self.protocol,
            self.seed,
            context,
            None if self.taught_by is None else teachers.network(self.taught_by),
            self.teacher_id,
            watch=[watch],
        )


class ExperimentUnit:
    """An experiment that is more than a cell: `distillkit.mnist.jobs.units.Unit`.

    Args:
        name: Of `distillkit.mnist.experiments.catalogue.CATALOGUE`.
        protocol: The settings.
        seed: Of everything that is drawn.
        identities: Of the job's runs.
        context: Data, device, precision.
    """

    def __init__(
        self, name: str, protocol: Protocol, seed: int, identities: Identities, context: RunContext
    ) -> None:
        taught_by = identities.seeds_teacher(seed) if CATALOGUE[name].needs_teacher else None
        teacher_id = None if taught_by is None else next(iter(taught_by.ids))
        self._task = RunExperiment(name, protocol, seed, taught_by, teacher_id)
        self._id = config_id(experiment_config(name, protocol, context, teacher_id), seed)
        self._like = costs_like(name, protocol)
        self.runs = (run_name(name, seed),)
        self.epochs = 1 if self._like is None else self._like.training.epochs
        self.makes: frozenset[str] = frozenset()
        self.needs = frozenset() if taught_by is None else taught_by.ids

    def finished(self, store: ResultStore) -> frozenset[str]:
        """Itself, where its line is there."""
        return frozenset(self.runs if store.get_experiment(self._id) is not None else ())

    def waits(self, store: ResultStore) -> bool:
        """For nothing but its teacher."""
        return False

    def seconds(self, costs: Costs) -> float:
        """Return the cost of a run that takes about as long."""
        return 0.0 if self._like is None else costs.seconds([self._like])

    def task(self, store: ResultStore) -> RunExperiment:
        """Return the work to do."""
        return self._task

    def keep(
        self, done: ExperimentResult, store: ResultStore, teachers: Teachers
    ) -> Mapping[str, Mapping[str, Any]]:
        """Keep its line, and what its networks predict."""
        store.add_experiment(done.line, done.predictions)
        return {self.runs[0]: done.line}


class _Watch(Callback):
    """Tells an observer what share of all updates of all students is made, as epochs of one run."""

    only_watches = True

    def __init__(self, name: str, protocol: Protocol, seed: int, context: RunContext) -> None:
        self._run, self._observer = run_name(name, seed), context.observer
        like = costs_like(name, protocol)
        self._epochs = 1 if like is None else like.training.epochs
        batch_size = 1 if like is None else like.training.batch_size
        self._steps_an_epoch = math.ceil(len(context.data.train_labels) / batch_size)
        self._made = 0

    def on_step_end(self, distiller: Watched, step: int) -> None:
        """Count it; what an estimate did not foresee belongs to the last epoch."""
        self._made = min(self._made + 1, self._epochs * self._steps_an_epoch - 1)
        epoch, steps = divmod(self._made, self._steps_an_epoch)
        self._observer.step_ended(self._run, epoch, steps / self._steps_an_epoch)
