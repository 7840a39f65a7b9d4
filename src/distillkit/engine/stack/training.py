"""Training a stack of students, epoch by epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor

from distillkit.engine.callbacks import Callback, only_watched, tell
from distillkit.engine.checks import check_contributions, check_outputs
from distillkit.engine.data.seeds import epoch_seed, own_randomness
from distillkit.engine.data.sources import ResidentSource
from distillkit.engine.distiller import Distiller
from distillkit.engine.forward.modes import mode
from distillkit.engine.loop.evaluator import Evaluator
from distillkit.engine.settings import advance
from distillkit.engine.stack.architecture import fingerprint
from distillkit.engine.stack.batches import Learner, StackedBatch, StackedBatches
from distillkit.engine.stack.forward import ByLayers, Forward
from distillkit.engine.stack.log import StackLog
from distillkit.engine.stack.losses import Contributions, Members, MembersLoss, members_alike
from distillkit.engine.stack.optimizer import StackedOptimizer
from distillkit.engine.stack.stepping import StackedStepping
from distillkit.engine.stack.weights import StackedWeights
from distillkit.engine.teacher.signal import TeacherSignal
from distillkit.engine.update.contributions import contributions_of
from distillkit.engine.update.cuda_graphs import recorded
from distillkit.engine.update.fused.switch import one_pass_pays
from distillkit.engine.update.update import explain_batch_of_one
from distillkit.errors import ConfigurationError, DivergenceError
from distillkit.typing import Outputs

Found = list[tuple[Members, Contributions]]
"""The contributions of each group of members."""


@dataclass(eq=False)
class Member:
    """A student of a stack, what it learns from, and how it has gone so far."""

    distiller: Distiller
    selected: Tensor
    signal: TeacherSignal | None
    evaluator: Evaluator | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    divergence: DivergenceError | None = None

    def learner(self) -> Learner:
        """What it sees."""
        distiller = self.distiller
        return Learner(
            distiller.transfer_set, self.selected, distiller.seed, distiller.epochs_done, self.signal
        )

    def watches(self, event: str) -> bool:
        """Whether one of its callbacks has a method of its own for an event."""
        return any(
            getattr(type(one), event) is not getattr(Callback, event) for one in self.distiller.callbacks
        )


def train_stack(members: Sequence[Member], source: ResidentSource, forward: Forward, epochs: int) -> None:
    """Train all of them; histories and divergences are left in the members.

    A student that stops or diverges leaves the stack at the end of the epoch, and the others go on.
    """
    going = list(members)
    done = 0
    while going and done < epochs:
        stack = _Stack(going, source, forward, epochs - done, checked=done > 0)
        try:
            while done < epochs and len(stack.going) == len(going):
                stack.train_epoch()
                done += 1
        finally:
            stack.close()
        going = stack.going


class _Stack:
    """Students that train together, until one of them leaves."""

    def __init__(
        self,
        members: Sequence[Member],
        source: ResidentSource,
        forward: Forward,
        epochs: int,
        *,
        checked: bool,
    ) -> None:
        self._members = members
        self.going = list(members)
        self._forward, self._checked = forward, checked
        distillers = [member.distiller for member in members]
        students = [distiller.student for distiller in distillers]
        self._device, self._precision = distillers[0].device, distillers[0].precision
        self._architecture = fingerprint(students[0])
        for member in members:
            self._refuse_other_architecture(member)
        self._batches = StackedBatches(source, [member.learner() for member in members])
        self._losses: list[tuple[Members, MembersLoss]] = []
        self._epochs = 0
        self._weights = StackedWeights(students)
        try:
            for distiller in distillers:
                # a step without gradients changes nothing; schedules ask whether there has been one
                distiller.optimizer.step()
            self._optimizer = StackedOptimizer(
                [distiller.optimizer for distiller in distillers], students, self._weights
            )
            self._stepping = StackedStepping(
                self._weights,
                self._optimizer,
                self._precision,
                [math.inf if one.clip_norm is None else one.clip_norm for one in distillers],
                one_pass=self._one_pass(distillers, epochs),
            )
        except BaseException:
            self._weights.release()
            raise
        self._generators: list[torch.Generator] = []
        self._step: Callable[[StackedBatch], Found] = self._update
        recorder = distillers[0].recorder
        if recorder is not None:
            step = recorded(
                lambda given: self._update(StackedBatch(**given)), self._optimizer.in_use, recorder
            )
            self._step = lambda batch: step(
                {"inputs": batch.inputs, "labels": batch.labels, "teacher": batch.teacher}
            )

    def _one_pass(self, distillers: Sequence[Distiller], epochs: int) -> bool:
        """Whether updates are made by one compiled pass; of plain layers, all of whose weights are cast."""
        if not isinstance(self._forward, ByLayers):
            return False
        if not all(one.compile == "auto" and only_watched(one.callbacks) for one in distillers):
            return False
        weights = sum(stacked.numel() for stacked in self._weights.trainable.values())
        return one_pass_pays("auto", self._precision, weights, epochs * self._batches.steps)

    def close(self) -> None:
        """Hand weights and the optimisers' state back to the students, and let go of what is recorded."""
        self._step = self._update
        try:
            self._optimizer.give_state()
        finally:
            self._weights.release()

    def train_epoch(self) -> None:
        """One epoch of every student, with its evaluation, schedules and callbacks."""
        began = time.perf_counter()
        log = StackLog([member.distiller.epochs_done for member in self._members])
        rates = [float(member.distiller.optimizer.param_groups[0]["lr"]) for member in self._members]
        by_step = [
            member.distiller.schedule
            for member in self._members
            if member.distiller.schedule is not None and member.distiller.schedule_unit == "step"
        ]
        watchers = [member.distiller for member in self._members if member.watches("on_step_end")]
        seeds = [epoch_seed(member.distiller.seed, member.distiller.epochs_done) for member in self._members]
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._stepping.begin_epoch()
        with own_randomness(seeds[0], self._device), self._training():
            for step, batch in enumerate(self._batches.epoch(self._epochs), start=1):
                log.add(self._step(batch))
                for schedule in by_step:
                    advance(schedule)
                for distiller in watchers:
                    tell(distiller, "on_step_end", step)
                if watchers:
                    self._weights.take_back()
                if by_step or watchers:
                    self._optimizer.take_settings()
        trained = (time.perf_counter() - began) / len(self._members)
        if any(member.watches("on_epoch_end") for member in self._members):
            self._optimizer.give_state()
        for place, member in enumerate(self._members):
            self._end_epoch(member, log, place, rates[place], trained)
        self._epochs += 1
        self._weights.take_back()
        self._optimizer.take_settings()

    def _end_epoch(self, member: Member, log: StackLog, place: int, rate: float, trained: float) -> None:
        began, distiller = time.perf_counter(), member.distiller
        try:
            means = log.means(place)
        except DivergenceError as error:
            member.divergence = error
            self.going.remove(member)
            return
        if distiller.schedule_unit == "epoch":
            advance(distiller.schedule, means["loss"])
        distiller.epochs_done += 1
        row = {"epoch": distiller.epochs_done, **means, "learning_rate": rate}
        if member.evaluator is not None:
            with own_randomness(epoch_seed(distiller.seed, distiller.epochs_done - 1), distiller.device):
                row |= member.evaluator.evaluate(distiller.student).numbers()
        member.rows.append(row)
        member.seconds.append(trained + time.perf_counter() - began)
        tell(distiller, "on_epoch_end", row)
        if distiller.stopping:
            self.going.remove(member)
        elif member.watches("on_epoch_end"):
            self._refuse_other_architecture(member)

    def _refuse_other_architecture(self, member: Member) -> None:
        if fingerprint(member.distiller.student) != self._architecture:
            raise ConfigurationError(
                "A callback changed a student that is trained in a stack: its parts, their settings, or "
                "which weights are trained. Only weights may change there: use stack_size=1, or fit()."
            )

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Every student in training mode, for callbacks that look."""
        with ExitStack() as modes:
            for member in self._members:
                modes.enter_context(mode(member.distiller.student, training=True))
            yield

    def _update(self, batch: StackedBatch) -> Found:
        """One step of every student; return the contributions of each group of members."""
        with self._precision.autocast():
            logits = self._logits(batch)
            if not self._losses:
                self._losses = self._first_batch(logits, batch)
            found = [
                (
                    group,
                    loss(
                        group.pick(logits),
                        group.pick(batch.teacher) if group.taught and batch.teacher is not None else None,
                        None if batch.labels is None else group.pick(batch.labels),
                    ),
                )
                for group, loss in self._losses
            ]
        sums = [values.sum() for _, contributions in found for values in contributions.values()]
        self._stepping.back(reduce(add, sums))
        self._stepping.step()
        return found

    def _logits(self, batch: StackedBatch) -> Tensor:
        try:
            return self._forward(self._stepping.weights(), batch.inputs, len(self._members), self._generators)
        except ValueError as error:
            explain_batch_of_one(error)
            raise

    def _first_batch(self, logits: Tensor, batch: StackedBatch) -> list[tuple[Members, MembersLoss]]:
        """Check outputs and losses as `fit` does; find the losses that can be mapped together."""
        names = []
        for place, member in enumerate(self._members):
            teacher = (
                batch.teacher[place] if batch.teacher is not None and member.signal is not None else None
            )
            labels = None if batch.labels is None else batch.labels[place]
            if not self._checked:
                check_outputs(logits[place], teacher, labels)
            contributions = contributions_of(
                member.distiller.loss,
                student=Outputs(logits[place]),
                teacher=None if teacher is None else Outputs(teacher),
                labels=labels,
            )
            if not self._checked:
                check_contributions(contributions)
            names.append(tuple(contributions))
        groups = members_alike(
            [member.distiller.loss for member in self._members],
            [member.signal is not None for member in self._members],
            names,
        )
        return [(group, MembersLoss(group)) for group in groups]
