"""Probabilistic knowledge transfer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from distillkit.functional import neighbour_divergence
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class PKT(FeatureLoss):
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

    @property
    def is_mean_over_examples(self) -> bool:
        """No: it relates the examples of a batch."""
        return False

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return torch.stack(
            [neighbour_divergence(student=one, teacher=other) for one, other in self.pairs(student, teacher)]
        ).sum()
