"""Batches as the transfer set shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from distillkit.engine.data.batch import Batch
from distillkit.transfer_sets import TransferSet


def viewed(batches: Iterable[Batch], transfer_set: TransferSet, epoch: int) -> Iterator[Batch]:
    """The batches in the view of an epoch; examples without numbers are counted as they come."""
    changes_inputs = type(transfer_set).view is not TransferSet.view
    keeps_labels = transfer_set.keeps_labels
    counted = 0
    for batch in batches:
        inputs = batch.inputs
        if changes_inputs:
            indices = batch.indices
            if indices is None:
                first = batch.first_tensor()
                indices = torch.arange(counted, counted + len(first), device=first.device)
                counted += len(first)
            inputs = transfer_set.view(inputs, epoch=epoch, indices=indices)
        yield Batch(inputs, batch.labels if keeps_labels else None, batch.indices, batch.weights)
