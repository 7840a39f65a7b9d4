"""One update of the student: forward, loss, backward, clip, step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import reduce
from operator import add
from typing import Any

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from distillkit.engine.batch import Batch
from distillkit.engine.clipping import clipping_for
from distillkit.engine.dropout import cheap_masks, plain_dropouts
from distillkit.engine.first_batch import check_contributions, check_outputs
from distillkit.engine.precision import Precision
from distillkit.engine.recording import Recorder, only_tensors, recorded
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.outputs import call, logits_of
from distillkit.typing import LossFn, Outputs


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
    ) -> None:
        self._forward, self._loss, self._optimizer = forward, loss, optimizer
        self._precision = precision
        # a compiled student draws as its compiler says
        self._dropouts = plain_dropouts(student, precision.device) if forward is student else ()
        self._scaler = precision.scaler()
        self._clipped: Callable[[], Any] = nullcontext
        if clip_norm is not None:
            parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
            self._clipped = clipping_for(optimizer, parameters, clip_norm, scaled=self._scaler is not None)
        self._checked = False
        self._recorded: Callable[[Any], dict[str, Tensor]] | None = None
        if recorder is not None:
            self._recorded = recorded(
                lambda given: self._as_it_is(
                    Batch(given["inputs"], given["labels"]),
                    None if given["teacher"] is None else Outputs(given["teacher"]),
                ),
                lambda: optimizer,
                recorder,
                scaled=self._scaler is not None,
            )

    def __call__(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        """Update the student; return the loss's contributions by name, scalars without gradients."""
        if self._recorded is None or not only_tensors(batch.inputs):
            return self._as_it_is(batch, teacher)
        return self._recorded(
            {
                "inputs": batch.inputs,
                "labels": batch.labels,
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
        with self._precision.autocast():
            student = Outputs(logits_of(self._student_output(batch), "The student"))
            if not self._checked:
                check_outputs(student.logits, None if teacher is None else teacher.logits, batch.labels)
            contributions = contributions_of(
                self._loss, student=student, teacher=teacher, labels=batch.labels
            )
        if not self._checked:
            check_contributions(contributions)
            self._checked = True
        total = reduce(add, contributions.values())
        self._optimizer.zero_grad(set_to_none=True)
        if self._scaler is None:
            with self._precision.backward():
                total.backward()  # type: ignore[no-untyped-call]
            with self._clipped():
                self._optimizer.step()
        else:
            self._scaled_step(self._scaler, total)
        return {name: value.detach() for name, value in contributions.items()}

    def _scaled_step(self, scaler: GradScaler, total: Tensor) -> None:
        scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(self._optimizer)
        with self._clipped():
            scaler.step(self._optimizer)
        scaler.update()

    def _student_output(self, batch: Batch) -> Any:
        try:
            return call(self._forward, batch.inputs)
        except ValueError as error:
            explain_batch_of_one(error)
            raise


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


def contributions_of(
    loss: LossFn, *, student: Outputs, teacher: Outputs | None, labels: Tensor | None
) -> dict[str, Tensor]:
    """A loss's contributions by name; of a plain callable one, named `loss`."""
    if isinstance(loss, Loss):
        return loss.contributions(student=student, teacher=teacher, labels=labels)
    return {"loss": loss(student=student, teacher=teacher, labels=labels)}
