"""The examples that a transfer set chooses from a source."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from distillkit.engine.data.sources import Source
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet


def select(source: Source, transfer_set: TransferSet) -> Tensor | None:
    """Return the numbers of the chosen examples, `[n]`, int64, on the CPU; `None` for a stream.

    Raises:
        ConfigurationError: No example is chosen, the data are a stream to choose from, or the choice is no
            list of numbers.
    """
    if source.size is None:
        if transfer_set.selects:
            raise ConfigurationError(
                f"{type(transfer_set).__name__} chooses examples by their numbers, and a stream of batches "
                "has none: pass tensors, a Dataset, or a DataLoader with a plain sampler and without "
                "drop_last."
            )
        return None
    if source.size == 0:
        raise ConfigurationError("The data hold no example.")
    labels = source.labels() if transfer_set.selects_by_label else None
    selected = transfer_set.select(source.size, labels).cpu()
    if selected.dtype != torch.int64 or selected.dim() != 1:
        raise ConfigurationError(
            f"{type(transfer_set).__name__}.select must return the numbers of the examples, int64 of shape "
            f"[selected]; got {selected.dtype} {list(selected.shape)} (of a mask, return "
            "mask.nonzero().flatten())."
        )
    if not len(selected):
        raise ConfigurationError(f"The transfer set {transfer_set!r} leaves no example of {source.size}.")
    if int(selected.min()) < 0 or int(selected.max()) >= source.size:
        raise ConfigurationError(
            f"{type(transfer_set).__name__}.select must return numbers in [0, {source.size - 1}]; got "
            f"{int(selected.min())} to {int(selected.max())}."
        )
    return selected


def digest_of(selected: Tensor) -> bytes:
    """Return the SHA-256 of the numbers of examples, equal where the same are chosen in the same order."""
    return hashlib.sha256(selected.numpy().tobytes()).digest()
