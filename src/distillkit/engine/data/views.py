"""Batches as the transfer set shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from distillkit.engine.data.batch import first_tensor
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch


def apply_view(batches: Iterable[Batch], transfer_set: TransferSet, epoch: int) -> Iterator[Batch]:
    """Yield the batches in the view of an epoch; examples without numbers are counted as they come."""
    counted = 0
    for batch in batches:
        shown = batch
        if transfer_set.changes_batches:
            if batch.indices is None:
                first = first_tensor(batch)
                numbers = torch.arange(counted, counted + len(first), device=first.device)
                counted += len(first)
                shown = replace(batch, indices=numbers)
            # a batch of a stream stays without numbers, which a cache would look up
            shown = replace(transfer_set.view(shown, epoch=epoch), indices=batch.indices)
        yield shown if transfer_set.keeps_labels else replace(shown, labels=None)
