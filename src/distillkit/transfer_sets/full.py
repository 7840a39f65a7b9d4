"""Everything, as it is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from distillkit.transfer_sets.base import TransferSet


class Full(TransferSet):
    """Every example, with its label, as it is.

    Example:
        >>> Full().select(3, None)
        tensor([0, 1, 2])
    """

    kind: Literal["full"] = "full"

    @property
    def selects(self) -> bool:
        """No example is left out."""
        return False

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """All of them."""
        return torch.arange(size)
