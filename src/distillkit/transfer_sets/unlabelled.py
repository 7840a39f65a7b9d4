"""Inputs alone."""

from __future__ import annotations

from typing import Literal

from distillkit.transfer_sets.base import TransferSet


class Unlabelled(TransferSet):
    """Every example, its label withheld from the loss.

    Example:
        >>> Unlabelled().keeps_labels
        False

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §1: the transfer set could
        consist entirely of unlabelled data.
    """

    kind: Literal["unlabelled"] = "unlabelled"

    @property
    def keeps_labels(self) -> bool:
        """Labels are withheld."""
        return False
