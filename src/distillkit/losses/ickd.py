"""Inter-channel correlation."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from distillkit.functional import channel_correlation_distance
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.regressors import regressor
from distillkit.typing import Outputs


class ICKD(DistanceLoss):
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

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of both sides' correlations between channels."""
        if student.shape[1] != teacher.shape[1] and adapter is not None:
            student = adapter(student)
        return channel_correlation_distance(student=student, teacher=teacher)

    def learns_between(self, pairs: list[tuple[Tensor, Tensor]]) -> bool:
        """Whether any pair differs in its channels."""
        return any(one.shape[1] != other.shape[1] for one, other in pairs)
