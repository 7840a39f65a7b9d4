"""Similarity-preserving distillation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from distillkit.functional import similarity_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class SP(FeatureLoss):
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

    @property
    def is_mean_over_examples(self) -> bool:
        """No: it relates the examples of a batch."""
        return False

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return torch.stack(
            [similarity_distance(student=one, teacher=other) for one, other in self.pairs(student, teacher)]
        ).sum()
