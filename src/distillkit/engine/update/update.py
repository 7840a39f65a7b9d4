"""One update of the student: forward, loss, backward, clip, step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.callbacks import only_watched
from distillkit.engine.checks import (
    check_contributions,
    check_features,
    check_optimizer,
    check_outputs,
)
from distillkit.engine.data.label_positions import counted
from distillkit.engine.data.numbering import Numbering
from distillkit.engine.forward.capture import Capture, outputs_of
from distillkit.engine.forward.compiling import forward_of
from distillkit.engine.forward.dropout import cheap_masks, plain_dropouts
from distillkit.engine.forward.precision import Precision
from distillkit.engine.update.contributions import contributions_of
from distillkit.engine.update.cuda_graphs import Recorder, only_tensors, recorded
from distillkit.engine.update.example_weights import WeightedExamples
from distillkit.engine.update.fused.switch import TakingOver, one_pass_pays
from distillkit.engine.update.stepping import PlainStepping, Stepping
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import Batch, LossFn, Outputs

if TYPE_CHECKING:
    from distillkit.engine.distiller import Distiller


class Update:
    """Holds what an update needs; called with a batch and the teacher's answer, it makes one."""

    def __init__(
        self,
        student: nn.Module,
        *,
        forward: Callable[..., Any],
        loss: LossFn,
        optimizer: Optimizer,
        precision: Precision,
        clip_norm: float | None,
        recorder: Recorder | None = None,
        one_pass: bool = False,
        capture: Capture | None = None,
        adapters: nn.Module | None = None,
        numbering: Numbering | None = None,
    ) -> None:
        self._capture, self._adapters, self._numbering = capture, adapters, numbering
        self._columns = tuple(loss.schedules()) if isinstance(loss, Loss) else ()
        self._forward, self._loss, self._precision = forward, loss, precision
        # a compiled student draws as its compiler says
        self._dropouts = plain_dropouts(student, precision.device) if forward is student else ()
        parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
        if adapters is not None:
            parameters += adapters.parameters()
        self._plain = PlainStepping(parameters, optimizer, precision, clip_norm)
        self._stepping: Stepping = self._plain
        self._taking_over = (
            TakingOver(student, optimizer, precision, clip_norm, self._plain) if one_pass else None
        )
        self._weighted = WeightedExamples()
        self._first_of_epoch = True
        self._checked = False
        self._recorded: Callable[[Any], dict[str, Tensor]] | None = None
        if recorder is not None:
            self._recorded = recorded(
                lambda given: self._as_it_is(
                    Batch(given["inputs"], given["labels"], weights=given["weights"]),
                    None if given["teacher"] is None else Outputs(given["teacher"]),
                ),
                lambda: optimizer,
                recorder,
                scaled=self._plain.scaler is not None,
            )

    def close(self) -> None:
        """Let go of what is recorded, which holds memory of the device; updates are made as they are now."""
        self._recorded = None

    def begin_epoch(self) -> None:
        """Take nothing for granted of what may have happened to student and optimiser between epochs."""
        self._stepping, self._first_of_epoch = self._plain, True

    def use(self, loss: LossFn) -> None:
        """The loss from now on, one of the same contributions; for one that follows schedules."""
        self._loss = loss

    def __call__(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        """Update the student; return the loss's contributions by name, scalars without gradients."""
        if self._recorded is None or not only_tensors(batch.inputs):
            return self._as_it_is(batch, teacher)
        return self._recorded(
            {
                "inputs": batch.inputs,
                "labels": batch.labels,
                "weights": batch.weights,
                "teacher": None if teacher is None else teacher.logits,
            }
        )

    def _as_it_is(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        if not self._dropouts:
            return self._update(batch, teacher)
        # around the backward pass too, in which activation checkpointing draws the same masks again
        with cheap_masks(self._dropouts):
            return self._update(batch, teacher)

    def _update(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        with self._stepping.standing():
            with self._precision.autocast():
                student, teacher, labels, weights = counted(
                    self._student_outputs(batch), teacher, batch.labels, batch.weights
                )
                if not self._checked:
                    check_outputs(student.logits, None if teacher is None else teacher.logits, labels)
                    check_features(student.features)
                contributions = self._contributions(student, teacher, labels, weights)
            if not self._checked:
                check_contributions(contributions, self._columns)
                self._checked = True
            self._stepping.back(reduce(add, contributions.values()))
        if self._adapters is not None and isinstance(self._loss, Loss):
            with torch.no_grad(), self._precision.autocast():
                self._loss.remember(student=student, teacher=teacher, labels=labels)
        self._stepping.step()
        if self._first_of_epoch and self._taking_over is not None:
            self._stepping = self._taking_over(batch.inputs) or self._plain
        self._first_of_epoch = False
        return {name: value.detach() for name, value in contributions.items()}

    def _contributions(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor | None, weights: Tensor | None
    ) -> dict[str, Tensor]:
        loss = self._loss
        if weights is None:
            return contributions_of(loss, student=student, teacher=teacher, labels=labels)
        return self._weighted(loss, student=student, teacher=teacher, labels=labels, weights=weights)

    def _student_outputs(self, batch: Batch) -> Outputs:
        try:
            said = outputs_of(self._forward, batch.inputs, "The student", self._capture)
        except ValueError as error:
            explain_batch_of_one(error)
            raise
        if self._numbering is not None:
            said = self._numbering(said, batch)
        return said if self._adapters is None else replace(said, adapters=self._adapters)


def update_for(
    distiller: Distiller, *, steps: int | None = None, numbering: Numbering | None = None
) -> Update:
    """The updates of a Distiller.

    Args:
        distiller: As it is now, with its adapters.
        steps: Those ahead, 0 of a stream that does not tell; `None` in a loop that is not ours, in which
            gradients are to be seen after each.
        numbering: Numbers the examples, where the loss asks.

    Raises:
        ConfigurationError: The optimiser does not hold what is to be trained.
    """
    student, adapters = distiller.student, distiller.adapters
    check_optimizer(
        distiller.optimizer, nn.ModuleList([student] if adapters is None else [student, adapters])
    )
    return Update(
        student,
        forward=forward_of(student, distiller.compile, steps or 0, distiller.device),
        loss=distiller.loss,
        optimizer=distiller.optimizer,
        precision=distiller.precision,
        clip_norm=distiller.clip_norm,
        recorder=distiller.recorder,
        one_pass=steps is not None and in_one_pass(distiller, steps),
        capture=distiller.captures.student,
        adapters=adapters,
        numbering=numbering,
    )


def in_one_pass(distiller: Distiller, steps: int) -> bool:
    """Whether so many updates of a Distiller are worth a compiled pass, and nobody sees gradients."""
    trained = sum(one.numel() for one in distiller.student.parameters() if one.requires_grad)
    return only_watched(distiller.callbacks) and one_pass_pays(
        distiller.compile, distiller.precision, trained, steps
    )


def explain_batch_of_one(error: ValueError) -> None:
    """Say what torch's error means where batch normalisation met a single example.

    Raises:
        ConfigurationError: It did.
    """
    if "more than 1 value per channel" in str(error):
        raise ConfigurationError(
            "Batch normalisation cannot learn from a batch of one example, as the last of an epoch may "
            "be: choose another batch_size, or pass a DataLoader with drop_last=True."
        ) from error
