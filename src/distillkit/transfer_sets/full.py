"""Everything, as it is."""

from __future__ import annotations

from typing import Literal

from distillkit.transfer_sets.base import TransferSet


class Full(TransferSet):
    """Every example, with its label, as it is.

    Example:
        >>> Full().select(3, None)
        tensor([0, 1, 2])
    """

    kind: Literal["full"] = "full"
