"""One update of the student: forward, loss, backward, clip, step."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from distillkit.engine.batch import Batch
from distillkit.engine.first_batch import check_contributions, check_outputs
from distillkit.engine.precision import Precision
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
    ) -> None:
        self._parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
        self._forward, self._loss, self._optimizer = forward, loss, optimizer
        self._precision, self._scaler, self._clip_norm = precision, precision.scaler(), clip_norm
        self._checked = False

    def __call__(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        """Update the student; return the loss's contributions by name, scalars without gradients."""
        with self._precision.autocast():
            student = Outputs(logits_of(self._student_output(batch), "The student"))
            if not self._checked:
                check_outputs(student.logits, None if teacher is None else teacher.logits, batch.labels)
            contributions = self._contributions(student, teacher, batch.labels)
        if not self._checked:
            check_contributions(contributions)
            self._checked = True
        total = reduce(add, contributions.values())
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            self._scaler.unscale_(self._optimizer)
            clip_grad_norm_(self._parameters, self._clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return {name: value.detach() for name, value in contributions.items()}

    def _student_output(self, batch: Batch) -> Any:
        try:
            return call(self._forward, batch.inputs)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ConfigurationError(
                "Batch normalisation cannot learn from a batch of one example, as the last of an epoch may "
                "be: choose another batch_size, or pass a DataLoader with drop_last=True."
            ) from error

    def _contributions(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor | None
    ) -> dict[str, Tensor]:
        if isinstance(self._loss, Loss):
            return self._loss.contributions(student=student, teacher=teacher, labels=labels)
        return {"loss": self._loss(student=student, teacher=teacher, labels=labels)}
