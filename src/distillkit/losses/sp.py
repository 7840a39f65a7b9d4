"""Similarity-preserving distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from distillkit.functional import similarity_distance
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.needs import Needs


class SP(DistanceLoss):
    """Squared distance of both sides' similarities between examples, summed over the pairs of layers.

    ‖G_T − G_S‖² / batch², with G the products of the examples' features, its rows at length 1; the formula is
    at `functional.similarity_distance`. Nothing is learnt between the layers, which may be of any shape.

    It looks across the examples of a batch: the batch size is a setting of this loss.

    Much published code takes the last convolutional layers, with weight 3000 beside `HardLabels`.

    Example:
        >>> SP(layers={"layer3": "layer3"})
        SP(kind='sp', layers={'layer3': 'layer3'})

    Reference:
        Tung, Mori, Similarity-Preserving Knowledge Distillation, ICCV 2019.
    """

    kind: Literal["sp"] = "sp"

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of both sides' similarities between examples."""
        return similarity_distance(student=student, teacher=teacher)
