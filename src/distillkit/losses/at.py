"""Attention transfer."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from distillkit.functional import attention_distance
from distillkit.losses.distance_loss import DistanceLoss


class AT(DistanceLoss):
    """Mean squared distance of both sides' attention maps, each at length 1, summed over the pairs of layers.

    A layer's attention is the sum over its channels of their squares, a map; the formula is at
    `functional.attention_distance`. Nothing is learnt between the layers: channels may be of any number, and
    maps of two sizes are averaged to the smaller one.

    The authors' code pairs the ends of the network's groups of blocks, with weight 1000 beside `HardLabels`.
    The paper's equation has the distance itself and not its square.

    Example:
        >>> AT(layers={"layer*": "layer*"})
        AT(kind='at', layers={'layer*': 'layer*'})

    Reference:
        Zagoruyko, Komodakis, Paying More Attention to Attention, ICLR 2017: activation-based
        attention transfer.
    """

    kind: Literal["at"] = "at"

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of both sides' attention."""
        return attention_distance(student=student, teacher=teacher)
