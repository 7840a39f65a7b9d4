"""Neuron selectivity transfer."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from distillkit.functional import selectivity_distance
from distillkit.losses.distance_loss import DistanceLoss


class NST(DistanceLoss):
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

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of both sides' channel patterns."""
        return selectivity_distance(student=student, teacher=teacher)
