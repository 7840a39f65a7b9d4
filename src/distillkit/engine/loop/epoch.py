"""One epoch: of one student, or of a stack of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Generic, TypeVar

from distillkit.engine.callbacks import Callback
from distillkit.engine.data.seeds import epoch_order, epoch_seed, own_randomness
from distillkit.engine.data.sources import Source
from distillkit.engine.data.views import apply_view
from distillkit.engine.forward.modes import mode
from distillkit.engine.loop.preparation import Run
from distillkit.engine.loop.step_log import StepLog
from distillkit.engine.update.optimizers import advance
from distillkit.errors import DivergenceError
from distillkit.typing import Batch

B = TypeVar("B")


class Steps(ABC, Generic[B]):
    """Makes the steps of an epoch, for one student or for several at once."""

    @abstractmethod
    def begin_epoch(self) -> Iterator[B]:
        """Begin an epoch; return its batches."""

    @abstractmethod
    def step(self, batch: B) -> None:
        """Update the students on a batch, and log the losses."""

    @abstractmethod
    def means(self, place: int) -> dict[str, float]:
        """Return the epoch's mean losses of one student.

        Raises:
            DivergenceError: One of its steps was not finite.
        """

    def numbers(self, place: int) -> dict[str, float]:
        """Return the scheduled numbers of a student's loss at the first step of the epoch."""
        return {}

    def settings_changed(self) -> None:
        """Look again at weights and learning rates, which schedules or callbacks may have changed."""

    def before_rows(self) -> None:
        """Get the students ready to be looked at."""

    def close(self) -> None:
        """Let go of what is held for the next epochs."""


def train_epoch(runs: Sequence[Run], steps: Steps[Any]) -> list[Run]:
    """Train students for one epoch, and write the rows of their histories.

    Args:
        runs: Students that stand at the same step, at the same place as in `steps`.
        steps: Makes their steps.

    Returns:
        Those that go on: a student that diverged or was stopped is not among them.
    """
    began = time.perf_counter()
    trainings = [run.training for run in runs]
    seeds = [epoch_seed(training.seed, training.epochs_done) for training in trainings]
    rates = [training.learning_rate for training in trainings]
    by_step = [training.by_step for training in trainings if training.by_step is not None]
    watched = [training for training in trainings if overrides(training.callbacks, "on_step_end")]
    with own_randomness(seeds[0], trainings[0].device), ExitStack() as modes:
        batches = steps.begin_epoch()
        numbers = [steps.numbers(place) for place in range(len(runs))]
        for training in trainings:
            modes.enter_context(mode(training.student, training=True))
        for step, batch in enumerate(batches, start=1):
            steps.step(batch)
            for training in trainings:
                training.batches_done += 1
                training.updates_done += 1
            for schedule in by_step:
                advance(schedule)
            for training in watched:
                training.tell("on_step_end", step)
            if by_step or watched:
                steps.settings_changed()
    trained = (time.perf_counter() - began) / len(runs)
    steps.before_rows()
    going = []
    for place, run in enumerate(runs):
        began = time.perf_counter()
        try:
            means = steps.means(place)
        except DivergenceError as error:
            run.divergence = error
            continue
        training = run.training
        training.end_epoch(means)
        row = {"epoch": training.epochs_done, **means, "learning_rate": rates[place], **numbers[place]}
        if run.evaluator is not None:
            with own_randomness(seeds[place], training.device):
                row |= run.evaluator.evaluate(training.student).numbers()
        training.rows.append(row)
        training.seconds.append(trained + time.perf_counter() - began)
        training.tell("on_epoch_end", row)
        if not training.stopping:
            going.append(run)
    return going


def overrides(callbacks: Sequence[Callback], event: str) -> bool:
    """Whether one of the callbacks has a method of its own for an event."""
    plain = getattr(Callback, event)
    return any(getattr(getattr(one, event), "__func__", None) is not plain for one in callbacks)


class StepsOfOne(Steps[Batch]):
    """Makes the steps of one student.

    Args:
        run: The training, prepared.
        source: Where the examples are.
        epochs: Epochs to come.
    """

    def __init__(self, run: Run, source: Source, epochs: int) -> None:
        self._run, self._source = run, source
        self._update = run.training.update(steps=run.steps * epochs, numbering=run.numbering)

    def begin_epoch(self) -> Iterator[Batch]:
        """Begin an epoch in the order of its seed."""
        training, order = self._run.training, self._run.selected
        if order is not None and self._source.shuffles:
            order = epoch_order(order, training.seed, training.epochs_done)
        self._log, self._step = StepLog(training.epochs_done), 0
        self._update.begin_epoch()
        return apply_view(self._source.batches(order), training.transfer_set, training.epochs_done)

    def step(self, batch: Batch) -> None:
        """Update the student."""
        run = self._run
        if run.training.scheduled is not None:
            self._update.use(run.training.scheduled.loss(self._step))
        self._step += 1
        self._log.add(self._update(batch, None if run.signal is None else run.signal(batch)))

    def means(self, place: int) -> dict[str, float]:
        """Return the epoch's mean losses."""
        return self._log.means()

    def numbers(self, place: int) -> dict[str, float]:
        """Return the scheduled numbers of the loss at the first step of the epoch."""
        scheduled = self._run.training.scheduled
        return {} if scheduled is None else scheduled.numbers()

    def close(self) -> None:
        """Let go of recorded graphs."""
        self._update.close()
