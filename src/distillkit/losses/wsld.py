"""Weighted soft label distillation."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from distillkit.functional import weighted_soft_labels
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class WSLD(Loss):
    """Soft targets, each example weighted by how far the student is behind its teacher on the true class.

    (1 − exp(−L_s / L_t)) · T² · cross-entropy with the teacher at T, averaged over the batch; the symbols are
    explained at `functional.weighted_soft_labels`. It needs labels. The weight is held fixed, so the gradient
    is not that of the value.

    The authors' code, which is for ImageNet, has T = 2 and weight 2.5, beside `HardLabels` with weight 1. The
    default T is what is usual for CIFAR-100.

    Example:
        >>> WSLD()
        WSLD(kind='wsld', temperature=4.0)

    Reference:
        Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang, Rethinking Soft Labels for Knowledge Distillation: A
        Bias-Variance Tradeoff Perspective, ICLR 2021.
    """

    kind: Literal["wsld"] = "wsld"
    temperature: Temperature = 4.0
    """T > 0 by which both sides' logits are divided before the softmax."""

    @property
    def gradient_is_of_the_value(self) -> bool:
        """No: the weights are held fixed."""
        return False

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        return weighted_soft_labels(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            labels=self.true_labels(labels),
            temperature=self.temperature,
        )
