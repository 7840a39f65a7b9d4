"""Correlation congruence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import correlation_distance
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.needs import Needs


class CC(DistanceLoss):
    """Squared distance of both sides' correlations between examples, summed over the pairs of layers.

    ‖C_S − C_T‖² / batch², with C the Gaussian kernel of the features at length 1, by its Taylor series; the
    formula is at `functional.correlation_distance`. Nothing is learnt between the layers, which may be of any
    shape; the paper takes the one before the logits.

    It looks across the examples of a batch: the batch size is a setting of this loss.

    γ and the order are those of other programs with this kernel. Much published code has another loss of this
    name, a product of differences of examples that follow each other in the batch, with weight 0.02: that
    weight means nothing here.

    Example:
        >>> CC(layers={"avgpool": "avgpool"})
        CC(kind='cc', layers={'avgpool': 'avgpool'}, gamma=0.4, order=2)

    Reference:
        Peng, Jin, Liu, Zhou, Wu, Liu, Li, Zhang, Correlation Congruence for Knowledge Distillation, ICCV
        2019.
    """

    kind: Literal["cc"] = "cc"
    gamma: float = Field(default=0.4, gt=0)
    """γ > 0 of the kernel; larger looks at nearer examples."""
    order: int = Field(default=2, ge=1)
    """The order of the Taylor series, ≥ 1."""

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of both sides' correlations between examples."""
        return correlation_distance(student=student, teacher=teacher, gamma=self.gamma, order=self.order)
