"""Which examples a batch holds, for a loss that asks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from distillkit.engine.data.batch import move
from distillkit.engine.data.sources import Source
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch, Examples, Outputs

_WAY_OUT = (
    "pass tensors, a Dataset, or a DataLoader with a plain sampler and without drop_last to fit(), which "
    "knows the number of each example."
)


class Numbering:
    """Adds the numbers of a batch's examples to what the student says of it.

    Args:
        known: The data set, with the numbers of no batch in particular.
        device: Where the student is.
    """

    def __init__(self, known: Examples, device: torch.device) -> None:
        self._known, self._device = known, device

    def __call__(self, said: Outputs, batch: Batch) -> Outputs:
        """Return the outputs with the numbers of these examples."""
        numbers = move(batch.indices, self._device)
        return replace(said, examples=replace(self._known, numbers=numbers))


def numbering_for(
    numbered: bool,
    source: Source,
    selected: Tensor | None,
    transfer_set: TransferSet,
    device: torch.device,
) -> Numbering | None:
    """Return what numbers the batches of a `fit`; `None` where the loss does not ask.

    Args:
        numbered: Whether the loss needs to know which examples a batch holds.
        source: The data set.
        selected: The numbers of the examples that are used; `None` of a stream.
        transfer_set: Says whether the loss gets labels.
        device: Where the student is.

    Raises:
        ConfigurationError: The loss asks, and the data are a stream.
    """
    if not numbered:
        return None
    if source.size is None or selected is None:
        raise ConfigurationError(
            "The loss needs to know which examples a batch holds, and a stream of batches does not tell: "
            f"{_WAY_OUT}"
        )
    labels = source.labels() if transfer_set.keeps_labels else None
    there = move(selected, device)
    return Numbering(Examples(there, there, source.size, move(labels, device)), device)


def refuse_unnumbered(*, numbered: bool) -> None:
    """Refuse batches that come one by one, without numbers.

    Raises:
        ConfigurationError: The loss asks for the numbers.
    """
    if numbered:
        raise ConfigurationError(
            "The loss needs to know which examples a batch holds, and a batch given to step() does not tell: "
            f"{_WAY_OUT}"
        )
