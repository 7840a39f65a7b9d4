"""Learning the teacher's logits."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from distillkit.functional import logit_matching
from distillkit.losses.base import Loss
from distillkit.typing import Labels, Outputs


class LogitMatching(Loss):
    """Half the squared difference of the centred logits over the number of classes: `SoftTargets` for T → ∞.

    Example:
        >>> LogitMatching()
        LogitMatching(kind='logit_matching')

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.1.
    """

    kind: Literal["logit_matching"] = "logit_matching"

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return logit_matching(student=student.logits, teacher=self.teacher_logits(teacher))
