"""Inter-channel correlation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from distillkit.functional import channel_correlation_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.losses.regressors import regressor
from distillkit.typing import Labels, Outputs


class ICKD(FeatureLoss):
    """Mean squared distance of both sides' correlations between channels, summed over the pairs of layers.

    G is the products of the channels' maps, a matrix of channels by channels for each example, its rows at
    length 1; the formula is at `functional.channel_correlation_distance`. Maps may be of any size. Where the
    student has fewer or more channels than the teacher, a 1 × 1 convolution that leads to the teacher's is
    learnt beside it; elsewhere nothing is.

    The authors' code takes the last layer of maps, and learns a convolution with batch normalisation for
    every pair. It divides the squares by the channels and not by their square, with weight 2.5: that is 2.5
    times the channels here.

    Example:
        >>> ICKD(layers={"layer4": "layer4"})
        ICKD(kind='ickd', layers={'layer4': 'layer4'})

    Reference:
        Liu, Huang, Lin, Xie, Wang, Chang, Liang, Exploring Inter-Channel Correlation for Diversity-Preserved
        Knowledge Distillation, ICCV 2021.
    """

    kind: Literal["ickd"] = "ickd"

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module | None:
        """A convolution for each pair whose channels differ."""
        shapes = [(one.shape, other.shape) for one, other in self.pairs(student, teacher)]
        if all(one[1] == other[1] for one, other in shapes):
            return None
        return nn.ModuleList(
            [nn.Identity() if one[1] == other[1] else regressor(one, other) for one, other in shapes]
        )

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        pairs = self.pairs(student, teacher)
        if any(one.shape[1] != other.shape[1] for one, other in pairs):
            adapters = self.learnt(student).children()
            pairs = [(adapt(one), other) for adapt, (one, other) in zip(adapters, pairs, strict=True)]
        return torch.stack(
            [channel_correlation_distance(student=one, teacher=other) for one, other in pairs]
        ).sum()
