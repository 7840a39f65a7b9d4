"""A batch, and the forms in which people hand one over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.typing import Batch


def first_tensor(batch: Batch) -> Tensor:
    """Return a tensor of the inputs with one row an example.

    Raises:
        ConfigurationError: The inputs are neither a tensor nor a mapping of tensors.
    """
    parts = list(batch.inputs.values()) if isinstance(batch.inputs, Mapping) else [batch.inputs]
    for part in parts:
        if isinstance(part, Tensor) and part.dim() > 0:
            return part
    raise ConfigurationError(
        "This transfer set needs inputs that are a tensor, or a mapping of tensors, with one row an "
        f"example; got {type(batch.inputs).__name__}."
    )


def as_batch(value: Any, device: torch.device | None = None) -> Batch:
    """The batch in `(inputs, labels)`, `(inputs, labels, weights)`, inputs alone, or a mapping.

    A mapping has inputs by name beside `labels` and `example_weights`, if there are any. Labels of any
    whole-number type become int64, which torch's losses want, and weights float32 or stay float64.

    Raises:
        ConfigurationError: It is none of these.
    """
    if isinstance(value, Batch):
        inputs, labels, weights = value.inputs, value.labels, value.weights
    elif isinstance(value, Tensor):
        inputs, labels, weights = value, None, None
    elif isinstance(value, Mapping):
        inputs, labels, weights = _inputs_of(value), value.get("labels"), value.get("example_weights")
    elif isinstance(value, (tuple, list)) and len(value) in {1, 2, 3}:
        inputs, labels, weights = (*value, None, None)[:3]
    else:
        size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ConfigurationError(
            "A batch must be (inputs, labels), (inputs, labels, weights), inputs alone, or a mapping with "
            f"'labels'; got {type(value).__name__}{size}: leave out what is more, in the data set or a "
            "DataLoader's collate_fn, or give a mapping of the model's inputs by name."
        )
    if labels is not None and not isinstance(labels, Tensor):
        raise ConfigurationError(
            f"The labels of a batch must be a tensor of classes, got {type(labels).__name__}: number the "
            "classes, and pass a list of single examples as DataLoader(examples, batch_size=...)."
        )
    if labels is not None and not (labels.is_floating_point() or labels.is_complex()):
        labels = labels.long()
    if weights is not None:
        weights = _one_an_example(weights)
    indices = value.indices if isinstance(value, Batch) else None
    return Batch(move(inputs, device), move(labels, device), indices, move(weights, device))


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


def _one_an_example(weights: Any) -> Tensor:
    # whole numbers are more likely the labels of an (inputs, more inputs, labels)
    if not isinstance(weights, Tensor) or weights.dim() != 1 or not weights.is_floating_point():
        came = type(weights).__name__
        if isinstance(weights, Tensor):
            came = f"{weights.dtype} {list(weights.shape)}"
        raise ConfigurationError(
            f"The weights of the examples must be floating-point numbers of shape [batch], got {came}."
        )
    return at_least_float32(weights)


def _inputs_of(value: Mapping[Any, Any]) -> dict[Any, Any]:
    inputs = {name: part for name, part in value.items() if name not in {"labels", "example_weights"}}
    if not inputs:
        raise ConfigurationError(
            "A mapping must hold the model's inputs by name beside 'labels'; got no input."
        )
    return inputs
