"""A batch, and the forms in which people hand one over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, a tensor or a mapping of tensors; labels, if any; the examples' numbers, if known."""

    inputs: Any
    labels: Tensor | None
    indices: Tensor | None = None

    def first_tensor(self) -> Tensor:
        """A tensor with one row an example.

        Raises:
            ConfigurationError: The inputs are neither a tensor nor a mapping of tensors.
        """
        parts = list(self.inputs.values()) if isinstance(self.inputs, Mapping) else [self.inputs]
        for part in parts:
            if isinstance(part, Tensor) and part.dim() > 0:
                return part
        raise ConfigurationError(
            "This transfer set needs inputs that are a tensor, or a mapping of tensors, with one row an "
            f"example; got {type(self.inputs).__name__}."
        )


def as_batch(value: Any, device: torch.device | None = None) -> Batch:
    """The batch in `(inputs, labels)`, inputs alone, or a mapping whose `labels`, if any, are the labels.

    Labels of any whole-number type become int64, which torch's losses want.

    Raises:
        ConfigurationError: It is none of these.
    """
    if isinstance(value, Batch):
        inputs, labels = value.inputs, value.labels
    elif isinstance(value, Tensor):
        inputs, labels = value, None
    elif isinstance(value, Mapping):
        inputs, labels = _without_labels(value), value.get("labels")
    elif isinstance(value, (tuple, list)) and len(value) in {1, 2}:
        inputs, labels = value[0], value[1] if len(value) == 2 else None
    else:
        size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ConfigurationError(
            "A batch must be (inputs, labels), inputs alone, or a mapping with 'labels'; got "
            f"{type(value).__name__}{size}: leave out what is more, in the data set or a DataLoader's "
            "collate_fn, or give a mapping of the model's inputs by name."
        )
    if labels is not None and not isinstance(labels, Tensor):
        raise ConfigurationError(
            f"The labels of a batch must be a tensor of classes, got {type(labels).__name__}: number the "
            "classes, and pass a list of single examples as DataLoader(examples, batch_size=...)."
        )
    if labels is not None and not (labels.is_floating_point() or labels.is_complex()):
        labels = labels.long()
    indices = value.indices if isinstance(value, Batch) else None
    return Batch(move(inputs, device), move(labels, device), indices)


def move(value: Any, device: torch.device | None) -> Any:
    """`value` with every tensor in it on `device`."""
    if device is None or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: move(part, device) for name, part in value.items()}
    return value.to(device, non_blocking=True) if hasattr(value, "to") else value


def rows_of(tensor: Tensor, numbers: Tensor) -> Tensor:
    """The rows with these numbers, `[*numbers.shape, ...]`; channels that come last stay there."""
    if not tensor.is_contiguous():
        return tensor[numbers]
    # a third of the time that indexing takes on a CPU
    return tensor.index_select(0, numbers.flatten()).view(*numbers.shape, *tensor.shape[1:])


def _without_labels(value: Mapping[Any, Any]) -> dict[Any, Any]:
    inputs = {name: part for name, part in value.items() if name != "labels"}
    if not inputs:
        raise ConfigurationError(
            "A mapping must hold the model's inputs by name beside 'labels'; got no input."
        )
    return inputs
