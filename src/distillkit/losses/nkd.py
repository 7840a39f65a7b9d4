"""Normalised knowledge distillation."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from distillkit.functional import normalized_kd
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature, Weight
from distillkit.typing import Labels, Outputs


class NKD(Loss):
    """Cross-entropy weighted by the teacher's trust in the true class, and with its other classes.

    −p_t log q_t − γ T² Σ_{i ≠ t} p̂_i log q̂_i, averaged over the batch; the symbols are explained at
    `functional.normalized_kd`. It needs labels. Where both sides agree it is not 0.

    The defaults are those of the authors' code for convolutional networks on ImageNet; there γ is 1 for
    transformers, and for CIFAR-100 T is 3 and γ 3.5. It adds `HardLabels` with weight 1.

    Example:
        >>> NKD()
        NKD(kind='nkd', temperature=1.0, non_target_weight=1.5)

    Reference:
        Yang, Zeng, Li, Zhang, Yuan, Li, From Knowledge Distillation to Self-Knowledge Distillation: A Unified
        Approach with Normalized Loss and Customized Soft Labels, ICCV 2023.
    """

    kind: Literal["nkd"] = "nkd"
    temperature: Temperature = 1.0
    """T > 0 of the other classes (the paper's λ)."""
    non_target_weight: Weight = 1.5
    """γ ≥ 0 of the other classes' part."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        return normalized_kd(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            labels=self.true_labels(labels),
            temperature=self.temperature,
            non_target_weight=self.non_target_weight,
        )
