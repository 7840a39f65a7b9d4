"""Neuron selectivity transfer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from distillkit.functional import selectivity_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class NST(FeatureLoss):
    """Squared maximum mean discrepancy of both sides' channel patterns, summed over the pairs of layers.

    Each channel's map at length 1 is one of a sample; the samples' distance is that of the kernel ⟨x, y⟩²;
    the formula is at `functional.selectivity_distance`. Nothing is learnt between the layers: channels may be
    of any number and order, and maps of two sizes are averaged to the smaller one.

    The authors' code, for ImageNet, takes the last layer of maps, with weight 50.

    Example:
        >>> NST(layers={"layer4": "layer4"})
        NST(kind='nst', layers={'layer4': 'layer4'})

    Reference:
        Huang, Wang, Like What You Like: Knowledge Distill via Neuron Selectivity Transfer, 2017.
    """

    kind: Literal["nst"] = "nst"

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return torch.stack(
            [selectivity_distance(student=one, teacher=other) for one, other in self.pairs(student, teacher)]
        ).sum()
