"""Learning from the true classes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import hard_label_cross_entropy
from distillkit.losses.base import Loss
from distillkit.typing import Labels, Outputs


class HardLabels(Loss):
    """Cross-entropy with the true classes, averaged over the batch; no teacher needed.

    Example:
        >>> HardLabels()
        HardLabels(kind='hard_labels', label_smoothing=0.0)
    """

    kind: Literal["hard_labels"] = "hard_labels"
    label_smoothing: float = Field(default=0.0, ge=0, le=1)
    """Share of the target mass spread evenly over all classes, in [0, 1]."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `teacher` is not looked at."""
        return hard_label_cross_entropy(
            student=student.logits, labels=self.any_labels(labels), label_smoothing=self.label_smoothing
        )
