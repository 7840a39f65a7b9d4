"""The numbers of a batch's examples, for a loss that needs them."""

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
    """Adds the numbers of a batch's examples to the student's outputs.

    Args:
        known: The data set; its numbers are replaced by those of each batch.
        device: The student's device.
    """

    def __init__(self, known: Examples, device: torch.device) -> None:
        self._known, self._device = known, device

    def __call__(self, outputs: Outputs, batch: Batch) -> Outputs:
        """Return the outputs with the numbers of the batch's examples."""
        numbers = move(batch.indices, self._device)
        return replace(outputs, examples=replace(self._known, numbers=numbers))


def numbering_for(
    numbered: bool,
    source: Source,
    selected: Tensor | None,
    transfer_set: TransferSet,
    device: torch.device,
) -> Numbering | None:
    """Return the numbering of a `fit`'s batches; `None` where the loss does not need it.

    Args:
        numbered: Whether the loss needs to know which examples a batch holds.
        source: The data set.
        selected: The numbers of the examples that are used; `None` for a stream.
        transfer_set: Decides whether the loss gets labels.
        device: The student's device.

    Raises:
        ConfigurationError: The loss needs the numbers, and the data are a stream.
    """
    if not numbered:
        return None
    if source.size is None or selected is None:
        raise ConfigurationError(
            "The loss needs to know which examples a batch holds, and a stream has no numbers for them: "
            f"{_WAY_OUT}"
        )
    labels = source.labels() if transfer_set.keeps_labels else None
    numbers = move(selected, device)
    return Numbering(Examples(numbers, numbers, source.size, move(labels, device)), device)


def refuse_unnumbered(*, numbered: bool) -> None:
    """Refuse batches without numbers, as `step` gets them, for a loss that needs the numbers.

    Raises:
        ConfigurationError: The loss needs them.
    """
    if numbered:
        raise ConfigurationError(
            "The loss needs to know which examples a batch holds, and a batch for step() has no numbers: "
            f"{_WAY_OUT}"
        )
