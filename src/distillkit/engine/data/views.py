"""Batches in the view of a transfer set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from distillkit.engine.data.batch import first_tensor
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch


def apply_view(batches: Iterable[Batch], transfer_set: TransferSet, epoch: int) -> Iterator[Batch]:
    """Yield the batches in the view of an epoch; examples without numbers are numbered as they come.

    Raises:
        ConfigurationError: The teacher has inputs of its own, and the view changes the student's alone.
    """
    numbered = 0
    for batch in batches:
        shown = batch
        if transfer_set.changes_batches:
            if batch.indices is None:
                first = first_tensor(batch)
                numbers = torch.arange(numbered, numbered + len(first), device=first.device)
                numbered += len(first)
                shown = replace(batch, indices=numbers)
            # a batch of a stream stays without numbers, which a cache would look up
            shown = replace(transfer_set.view(shown, epoch=epoch), indices=batch.indices)
            _refuse_two_views(batch, shown, transfer_set)
        yield shown if transfer_set.keeps_labels else replace(shown, labels=None)


def _refuse_two_views(before: Batch, shown: Batch, transfer_set: TransferSet) -> None:
    own = before.teacher_inputs
    if own is not None and shown.teacher_inputs is own and shown.inputs is not before.inputs:
        raise ConfigurationError(
            f"{type(transfer_set).__name__} changes the student's inputs, and the teacher has its own "
            "(teacher_inputs), so the two would not see the same view: leave teacher_inputs out, or use a "
            "transfer set whose view changes both."
        )
