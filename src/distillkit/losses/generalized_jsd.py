"""Between the two directions of the divergence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import generalized_jsd
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class GeneralizedJSD(Loss):
    """T² · the divergence of both sides from their mixture, β KL(p ‖ m) + (1 − β) KL(q ‖ m).

    The mixture is m = β · teacher + (1 − β) · student. Bounded, whatever the logits. At β = 1/2 it is the
    Jensen–Shannon divergence. β near 0 leans to `SoftTargets`, near 1 to `ReverseKL`, and the loss itself
    goes to 0 there, so 0 and 1 are refused: take those losses. The paper tries 0.1, 0.5 and 0.9, at T = 1,
    and which is best depends on the task.

    Example:
        >>> GeneralizedJSD()
        GeneralizedJSD(kind='generalized_jsd', temperature=1.0, teacher_share=0.5)

    Reference:
        Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem, On-Policy Distillation of Language Models:
        Learning from Self-Generated Mistakes, ICLR 2024, Eq. 1.
    """

    kind: Literal["generalized_jsd"] = "generalized_jsd"
    temperature: Temperature = 1.0
    """T > 0 by which both sides' logits are divided before the softmax."""
    teacher_share: float = Field(default=0.5, gt=0, lt=1)
    """β in (0, 1), the teacher's share in the mixture."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return generalized_jsd(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            temperature=self.temperature,
            teacher_share=self.teacher_share,
        )
