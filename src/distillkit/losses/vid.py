"""Variational information distillation."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Size, Tensor, nn

from distillkit.functional import gaussian_likelihood
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.regressors import of_one_size, regressor
from distillkit.typing import Outputs

_LEAST = 1e-5


class VID(DistanceLoss):
    """How unlikely the teacher's features are under a Gaussian that is guessed from the student's.

    The mean of (log σ² + (t − μ(s))² / σ²) / 2, summed over the pairs of layers; the formula is at
    `functional.gaussian_likelihood`. It is an upper bound, but for a constant, of what the student's layer
    does not know of the teacher's. Learnt beside the student are μ, three layers of 1 × 1 convolutions
    (linear ones where there are no maps) of the teacher's width with ReLUs between, and σ² of each channel.
    Maps of two sizes are averaged to the smaller one. The value may be below 0.

    σ² is log(1 + e^α) + 10⁻⁵ and begins at 5, as in much published code, whose weight is 1 beside the labels.

    Example:
        >>> VID(layers={"layer*": "layer*"})
        VID(kind='vid', layers={'layer*': 'layer*'}, initial_variance=5.0)

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai, Variational Information Distillation for Knowledge Transfer, CVPR
        2019.
    """

    kind: Literal["vid"] = "vid"
    initial_variance: float = Field(default=5.0, gt=_LEAST)
    """σ² of every channel before anything is learnt, > 10⁻⁵."""

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """A guess for each pair."""
        pairs = self.pairs(student, teacher)
        return nn.ModuleList([_Guess(one.shape, other.shape, self.initial_variance) for one, other in pairs])

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the negative log-likelihood of the teacher's layer."""
        student, teacher = of_one_size(student, teacher)
        mean, variance = adapter(student)
        return gaussian_likelihood(mean=mean, variance=variance, teacher=teacher)


class _Guess(nn.Module):
    """Mean and variance of the teacher's feature, from the student's."""

    def __init__(self, student: Size, teacher: Size, initial_variance: float) -> None:
        super().__init__()
        self.mean = nn.Sequential(
            regressor(student, teacher),
            nn.ReLU(),
            regressor(teacher, teacher),
            nn.ReLU(),
            regressor(teacher, teacher),
        )
        maps = len(teacher) == 4
        # log(1 + e^α) is the variance
        alpha = math.log(math.expm1(initial_variance - _LEAST))
        self.alpha = nn.Parameter(torch.full((teacher[1], 1, 1) if maps else teacher[-1:], alpha))

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """The mean, of the teacher's shape, and the variance of each channel."""
        return self.mean(feature), F.softplus(self.alpha) + _LEAST
