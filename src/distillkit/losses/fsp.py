"""The flow of a solution procedure."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import flow_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class FSP(FeatureLoss):
    """Squared distance of how each layer leads to the next one, on both sides, summed over the steps.

    G_ij is the mean over positions of channel i of one layer times channel j of the next, and the loss the
    mean over the batch of ‖G_T − G_S‖²; the formula is at `functional.flow_distance`. `layers` are two or
    more, in their order. Nothing is learnt between the layers, so both sides need equally many channels in
    each; maps of two sizes are averaged to the smaller one.

    The paper compares matrices of maps of one size, from the first to the last layer of each part of a
    residual network, and has two stages: this alone, then the labels. Other programs shrink maps by their
    mean, as here, or by their largest value; much published code takes the mean of the squares, with weight
    50, which is 50 over the product of both layers' channels here.

    Example:
        >>> FSP(layers={"layer*": "layer*"})
        FSP(kind='fsp', layers={'layer*': 'layer*'})

    Reference:
        Yim, Joo, Bae, Kim, A Gift from Knowledge Distillation, CVPR 2017.
    """

    kind: Literal["fsp"] = "fsp"

    def pairs(self, student: Outputs, teacher: Outputs | None) -> list[tuple[Tensor, Tensor]]:
        """Return the pairs of layers; two or more."""
        found = super().pairs(student, teacher)
        if len(found) < 2:
            raise ConfigurationError(
                f"FSP looks at how one layer leads to the next, and {self.layers} is one pair: name two or "
                "more."
            )
        return found

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        steps = pairwise(self.pairs(student, teacher))
        return torch.stack(
            [
                flow_distance(student=(before[0], after[0]), teacher=(before[1], after[1]))
                for before, after in steps
            ]
        ).sum()
