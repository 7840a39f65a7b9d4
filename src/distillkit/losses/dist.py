"""Distillation from a stronger teacher, by relations."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from distillkit.functional import relation_distance
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.schedules import Temperature, Weight
from distillkit.typing import Labels, Outputs


class DIST(Loss):
    """One minus the correlation of both sides' predictions, within examples and within classes.

    β · (1 − corr over the classes, a mean over the examples) + γ · (1 − corr over the examples, a mean over
    the classes) of the softened probabilities; the formula is at `functional.relation_distance`. A student
    need not reach the size of the teacher's numbers, which helps where the teacher is much stronger. No
    factor T².

    The second part looks across the examples of a batch: the batch size is a setting of this loss.

    The weights are those of the authors' configurations, with `HardLabels` of weight 1 beside them. T is 1
    there for ImageNet, and 4 for CIFAR-100, where their code multiplies both weights by T².

    Example:
        >>> DIST()
        DIST(kind='dist', temperature=1.0, inter_class_weight=2.0, intra_class_weight=2.0)

    Reference:
        Huang, You, Wang, Qian, Xu, Knowledge Distillation from A Stronger Teacher, NeurIPS 2022.
    """

    kind: Literal["dist"] = "dist"
    temperature: Temperature = 1.0
    """T > 0 by which both sides' logits are divided before the softmax."""
    inter_class_weight: Weight = 2.0
    """β ≥ 0 of the relation of an example's classes."""
    intra_class_weight: Weight = 2.0
    """γ ≥ 0 of the relation of a class's examples."""

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return relation_distance(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            temperature=self.temperature,
            inter_class_weight=self.inter_class_weight,
            intra_class_weight=self.intra_class_weight,
        )
