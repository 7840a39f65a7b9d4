"""Probabilistic knowledge transfer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from distillkit.functional import neighbour_divergence
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.needs import Needs


class PKT(DistanceLoss):
    """Divergence of both sides' choices of neighbours among the examples, summed over the pairs of layers.

    The affinity of two examples is (1 + cosine) / 2; the formula is at `functional.neighbour_divergence`.
    Nothing is learnt between the layers, which may be of any shape; the paper takes the one before the
    logits.

    It looks across the examples of a batch: the batch size is a setting of this loss.

    The authors' code counts an example as its own neighbour and takes the mean over batch² numbers; much
    published code does so with weight 30,000. Here it is neither: that weight over the batch size, some 500,
    comes near it.

    Example:
        >>> PKT(layers={"avgpool": "avgpool"})
        PKT(kind='pkt', layers={'avgpool': 'avgpool'})

    Reference:
        Passalis, Tefas, Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018.
    """

    kind: Literal["pkt"] = "pkt"

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the divergence of both sides' choices of neighbours."""
        return neighbour_divergence(student=student, teacher=teacher)
