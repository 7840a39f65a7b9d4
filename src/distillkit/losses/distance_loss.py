"""The root of the losses that are a distance between layers, summed over pairs of layers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class DistanceLoss(FeatureLoss):
    """A distance between a layer of the student and one of the teacher, summed over the pairs of layers.

    A new one is a class with a `kind` and a `distance`; what it learns between the two, `adapters` make, one
    for each pair.

    Example:
        >>> from typing import Literal
        >>> class Apart(DistanceLoss):
        ...     kind: Literal["mean_apart"] = "mean_apart"
        ...     def distance(self, student, teacher, adapter):
        ...         return (student - teacher).square().mean()
        >>> Apart(layers={"layer*": "stages.*"})
        Apart(kind='mean_apart', layers={'layer*': 'stages.*'})
    """

    kind: str

    @abstractmethod
    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of one pair of layers, a scalar.

        Args:
            student: What the student's layer gave, `[batch, ...]`, with gradients.
            teacher: What the teacher's layer gave, `[batch, ...]`.
            adapter: What is learnt between them; `None` where `adapters` made nothing.
        """

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """Return the loss of a batch; `labels` are not looked at."""
        pairs = self.pairs(student, teacher)
        between = self.learnt(student).children() if self.learns_between(pairs) else [None] * len(pairs)
        each = zip(pairs, between, strict=True)
        return torch.stack([self.distance(*pair, adapter) for pair, adapter in each]).sum()

    def learns_between(self, pairs: list[tuple[Tensor, Tensor]]) -> bool:
        """Whether it learns something between these pairs; by default, where its class has `adapters`."""
        return self.needs().learns
