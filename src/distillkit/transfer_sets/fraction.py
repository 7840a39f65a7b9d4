"""A part of the data, drawn class by class."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from distillkit.transfer_sets.base import TransferSet


class Fraction(TransferSet):
    """A random part of each class, the same part each time.

    Of a class of n examples, round(fraction · n) are taken, at least one. Data without labels are one class.

    Example:
        >>> labels = torch.tensor([0] * 10 + [1] * 20)
        >>> labels[Fraction(fraction=0.3).select(30, labels)].bincount()
        tensor([3, 6])
    """

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(gt=0, le=1)
    """Share of each class, in (0, 1]."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Which part: another seed draws another."""

    @property
    def selects_by_label(self) -> bool:
        """Whether it looks at labels: where there are some."""
        return True

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """The part drawn, in the order of the data."""
        strata = torch.zeros(size, dtype=torch.int64) if labels is None else labels.cpu()
        generator = torch.Generator().manual_seed(self.seed)
        chosen = []
        for stratum in sorted(set(strata.tolist())):
            members = (strata == stratum).nonzero().flatten()
            count = max(1, round(self.fraction * len(members)))
            chosen.append(members[torch.randperm(len(members), generator=generator)[:count]])
        return torch.cat(chosen).sort().values if chosen else torch.arange(0)
