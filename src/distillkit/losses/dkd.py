"""Decoupled knowledge distillation."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from distillkit.functional import decoupled_kl
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature, Weight
from distillkit.typing import Labels, Outputs


class DKD(Loss):
    """Soft targets in two parts with their own weights: the true class, and the others among themselves.

    T² · (α · KL on true class or not + β · KL among the other classes), averaged over the batch; the formula
    is at `functional.decoupled_kl`. It needs labels.

    The defaults are those of the authors' code for ResNet-32x4 to ResNet-8x4 on CIFAR-100. There β is chosen
    by the pair of networks, among 2, 6 and 8; for ImageNet T is 1 and β 0.5 or 2. It adds `HardLabels` with
    weight 1, and lets the weight of DKD grow linearly over the first epochs (20 of 240, or 1 of 100): see
    `schedules.WarmUp`.

    Example:
        >>> DKD()
        DKD(kind='dkd', temperature=4.0, target_weight=1.0, non_target_weight=8.0)

    Reference:
        Zhao, Cui, Song, Qiu, Liang, Decoupled Knowledge Distillation, CVPR 2022.
    """

    kind: Literal["dkd"] = "dkd"
    temperature: Temperature = 4.0
    """T > 0 by which both sides' logits are divided before the softmax."""
    target_weight: Weight = 1.0
    """α ≥ 0 of the true class's part."""
    non_target_weight: Weight = 8.0
    """β ≥ 0 of the other classes' part."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        return decoupled_kl(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            labels=self.true_labels(labels),
            temperature=self.temperature,
            target_weight=self.target_weight,
            non_target_weight=self.non_target_weight,
        )
