"""Training a stack of students."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from distillkit.engine.callbacks import only_watched
from distillkit.engine.checks import check_contributions, check_outputs
from distillkit.engine.data.seeds import epoch_seed
from distillkit.engine.data.sources import ResidentSource
from distillkit.engine.loop.epoch import Steps, overrides, train_epoch
from distillkit.engine.loop.preparation import Run
from distillkit.engine.loop.training import Training
from distillkit.engine.stack.architecture import fingerprint
from distillkit.engine.stack.batches import StackedBatch, StackedBatches, learner_of
from distillkit.engine.stack.forward import ByLayers, Forward
from distillkit.engine.stack.log import StackLog
from distillkit.engine.stack.losses import Contributions, Members, MembersLoss, members_alike
from distillkit.engine.stack.optimizer import StackedOptimizer
from distillkit.engine.stack.stepping import StackedStepping
from distillkit.engine.stack.weights import StackedWeights
from distillkit.engine.update.contributions import contributions_of
from distillkit.engine.update.cuda_graphs import graphed_or_plain
from distillkit.engine.update.fused.switch import fused_step_pays
from distillkit.engine.update.update import explain_batch_of_one
from distillkit.errors import ConfigurationError
from distillkit.typing import Outputs

StackContributions = list[tuple[Members, Contributions]]
"""The contributions of each group of members."""


def train_stack(runs: Sequence[Run], source: ResidentSource, forward: Forward, epochs: int) -> None:
    """Train all of them; histories and divergences are left in the runs.

    A student that stops or diverges leaves the stack at the end of the epoch, and the others go on.
    """
    going = list(runs)
    done = 0
    while going and done < epochs:
        stack = StepsOfStack(going, source, forward, epochs - done, checked=done > 0)
        members = len(going)
        try:
            while done < epochs and len(going) == members:
                going = train_epoch(going, stack)
                stack.end_epoch(going)
                done += 1
        finally:
            stack.close()


class StepsOfStack(Steps[StackedBatch]):
    """Makes the steps of students that train together, until one of them leaves.

    Args:
        runs: The trainings, prepared.
        source: Where the examples are.
        forward: Calls all students at once.
        epochs: Epochs to come.
        checked: Whether outputs and losses have been checked on a first batch.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        source: ResidentSource,
        forward: Forward,
        epochs: int,
        *,
        checked: bool,
    ) -> None:
        self._runs, self._forward, self._checked = runs, forward, checked
        trainings = [run.training for run in runs]
        students = [training.student for training in trainings]
        self._precision = trainings[0].precision
        self._architecture = fingerprint(students[0])
        for student in students:
            self._refuse_other_architecture(student)
        self._batches = StackedBatches(source, [learner_of(run) for run in runs])
        self._losses: list[tuple[Members, MembersLoss]] = []
        self._epochs = 0
        self._weights = StackedWeights(students)
        try:
            for training in trainings:
                # a step without gradients changes nothing; schedules ask whether there has been one
                training.optimizer.step()
            self._optimizer = StackedOptimizer(
                [training.optimizer for training in trainings], students, self._weights
            )
            self._stepping = StackedStepping(
                self._weights,
                self._optimizer,
                self._precision,
                [math.inf if one.clip_norm is None else one.clip_norm for one in trainings],
                fused=self._fused_step_pays(trainings, epochs * runs[0].steps),
            )
        except BaseException:
            self._weights.release()
            raise
        self._generators: list[torch.Generator] = []
        self._update: Callable[[StackedBatch], StackContributions] = self._backward_and_step
        recorder = trainings[0].recorder
        if recorder is not None:
            update = graphed_or_plain(
                lambda tensors: self._backward_and_step(StackedBatch(**tensors)),
                self._optimizer.in_use,
                recorder,
            )
            self._update = lambda batch: update(
                {"inputs": batch.inputs, "labels": batch.labels, "teacher": batch.teacher}
            )

    def _fused_step_pays(self, trainings: Sequence[Training], steps: int) -> bool:
        """Whether updates are made by one compiled pass; of plain layers, all of whose weights are cast."""
        if not isinstance(self._forward, ByLayers):
            return False
        compiling = trainings[0].compiling
        if any(one.compiling != compiling or not only_watched(one.callbacks) for one in trainings):
            return False
        weights = sum(stacked.numel() for stacked in self._weights.trainable.values())
        return fused_step_pays(compiling, self._precision, weights, steps)

    def begin_epoch(self) -> Iterator[StackedBatch]:
        """Begin an epoch; each student sees the order of its own seed."""
        trainings = [run.training for run in self._runs]
        self._log = StackLog([training.epochs_done for training in trainings])
        seeds = [epoch_seed(training.seed, training.epochs_done) for training in trainings]
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._stepping.begin_epoch()
        return self._batches.epoch(self._epochs)

    def step(self, batch: StackedBatch) -> None:
        """Update every student."""
        self._log.add(self._update(batch))

    def means(self, place: int) -> dict[str, float]:
        """Return the epoch's mean losses of one student."""
        return self._log.means(place)

    def settings_changed(self) -> None:
        """Take weights and settings from the students and their optimisers."""
        self._weights.take_back()
        self._optimizer.take_settings()

    def before_rows(self) -> None:
        """Hand the optimisers' state to callbacks that look."""
        if any(overrides(run.training.callbacks, "on_epoch_end") for run in self._runs):
            self._optimizer.give_state()

    def end_epoch(self, going: Sequence[Run]) -> None:
        """Take what callbacks have changed at the end of an epoch."""
        for run in going:
            if overrides(run.training.callbacks, "on_epoch_end"):
                self._refuse_other_architecture(run.training.student)
        self._epochs += 1
        self.settings_changed()

    def close(self) -> None:
        """Hand weights and the optimisers' state back to the students, and let go of what is recorded."""
        self._update = self._backward_and_step
        try:
            self._optimizer.give_state()
        finally:
            self._weights.release()

    def _refuse_other_architecture(self, student: nn.Module) -> None:
        if fingerprint(student) != self._architecture:
            raise ConfigurationError(
                "A callback changed a student that is trained in a stack: its parts, their settings, or "
                "which weights are trained. Only weights may change there: use stack_size=1, or fit()."
            )

    def _backward_and_step(self, batch: StackedBatch) -> StackContributions:
        """Make one step of every student; return the contributions of each group of members."""
        self._stepping.begin()
        with self._precision.autocast():
            logits = self._logits(batch)
            if not self._losses:
                self._losses = self._first_batch(logits, batch)
            contributions = [
                (
                    group,
                    loss(
                        group.pick(logits),
                        group.pick(batch.teacher)
                        if group.have_teachers and batch.teacher is not None
                        else None,
                        None if batch.labels is None else group.pick(batch.labels),
                    ),
                )
                for group, loss in self._losses
            ]
        sums = [values.sum() for _, by_name in contributions for values in by_name.values()]
        self._stepping.backward(reduce(add, sums))
        self._stepping.step()
        return contributions

    def _logits(self, batch: StackedBatch) -> Tensor:
        try:
            return self._forward(self._stepping.weights(), batch.inputs, len(self._runs), self._generators)
        except ValueError as error:
            explain_batch_of_one(error)
            raise

    def _first_batch(self, logits: Tensor, batch: StackedBatch) -> list[tuple[Members, MembersLoss]]:
        """Check outputs and losses as `fit` does; group the losses that can be mapped together."""
        names = []
        for place, run in enumerate(self._runs):
            teacher = batch.teacher[place] if batch.teacher is not None and run.signal is not None else None
            labels = None if batch.labels is None else batch.labels[place]
            if not self._checked:
                check_outputs(logits[place], teacher, labels)
            contributions = contributions_of(
                run.training.loss,
                student=Outputs(logits[place]),
                teacher=None if teacher is None else Outputs(teacher),
                labels=labels,
            )
            if not self._checked:
                check_contributions(contributions)
            names.append(tuple(contributions))
        groups = members_alike(
            [run.training.loss for run in self._runs],
            [run.signal is not None for run in self._runs],
            names,
        )
        return [(group, MembersLoss(group)) for group in groups]
