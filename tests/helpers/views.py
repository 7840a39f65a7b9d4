"""Transfer sets seen from outside."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch


def inputs_seen(transfer_set: TransferSet, inputs: Any, *, epoch: int, indices: Tensor) -> Any:
    """The inputs of a batch in the view of a transfer set."""
    return transfer_set.view(Batch(inputs, indices=indices), epoch=epoch).inputs
