"""Learning from the teacher's softened probabilities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import distillation_kl
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class SoftTargets(Loss):
    """T² · KL(teacher ‖ student) at temperature T, summed over classes, averaged over the batch.

    It needs no labels, and T² is there without them too.

    Example:
        >>> SoftTargets(temperature=4)
        SoftTargets(kind='soft_targets', temperature=4.0)

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.
    """

    kind: Literal["soft_targets"] = "soft_targets"
    temperature: Temperature = Field(examples=[1.0, 20.0])
    """T > 0 by which both sides' logits are divided before the softmax; larger is softer."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return distillation_kl(
            student=student.logits, teacher=self.teacher_logits(teacher), temperature=self.temperature
        )
