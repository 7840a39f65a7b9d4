"""Relational knowledge distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import relational_angle, relational_distance
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.needs import Needs
from distillkit.schedules import Weight


class RKD(DistanceLoss):
    """Huber distance of both sides' distances and angles between examples, summed over the pairs of layers.

    λ_D · (distances between two examples, over their mean) + λ_A · (cosines of the angles that three examples
    form); the formulas are at `functional.relational_distance` and `functional.relational_angle`. Nothing is
    learnt between the layers, which may be of any shape; the paper takes the one before the logits.

    It looks across the examples of a batch: the batch size is a setting of this loss. Angles take time and
    memory as batch³; a part of weight 0 is not computed.

    The weights are those of much published code for classification, beside `HardLabels`; the authors' code
    for embeddings has 1 and 2. Means are over distinct examples; their code counts an example's distance to
    itself too.

    Example:
        >>> RKD(layers={"avgpool": "avgpool"})
        RKD(kind='rkd', layers={'avgpool': 'avgpool'}, distance_weight=25.0, angle_weight=50.0)

    Reference:
        Park, Kim, Lu, Cho, Relational Knowledge Distillation, CVPR 2019.
    """

    kind: Literal["rkd"] = "rkd"
    distance_weight: Weight = 25.0
    """λ_D ≥ 0 of the distances between two examples."""
    angle_weight: Weight = 50.0
    """λ_A ≥ 0 of the angles between three."""

    @model_validator(mode="after")
    def _one_part_counts(self) -> Self:
        if self.distance_weight == 0 and self.angle_weight == 0:
            raise ConfigurationError("Both weights of RKD are 0; give a part a weight above 0.")
        return self

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the weighted distances of both sides' distances and angles between examples."""
        parts = [(self.distance_weight, relational_distance), (self.angle_weight, relational_angle)]
        # schedules may make both 0 for a step
        counted = [(weight, part) for weight, part in parts if weight != 0] or parts[:1]
        return torch.stack(
            [weight * part(student=student, teacher=teacher) for weight, part in counted]
        ).sum()
