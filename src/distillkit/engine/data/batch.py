"""A batch, and the forms in which people give one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from distillkit.engine.trees import map_tensors
from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.typing import Batch

BESIDE_THE_INPUTS = ("labels", "example_weights", "teacher_inputs")
"""The keys of a mapping that are no inputs of the student."""


def parts_of(inputs: Any) -> list[Any]:
    """Return the parts of a batch's inputs: the values of a mapping, or the inputs alone."""
    return list(inputs.values()) if isinstance(inputs, Mapping) else [inputs]


def first_tensor(batch: Batch) -> Tensor:
    """Return a tensor of the inputs with one row an example.

    Raises:
        ConfigurationError: The inputs are neither a tensor nor a mapping of tensors.
    """
    for part in parts_of(batch.inputs):
        if isinstance(part, Tensor) and part.dim() > 0:
            return part
    raise ConfigurationError(
        "This transfer set needs inputs that are a tensor, or a mapping of tensors, with one row an "
        f"example; got {type(batch.inputs).__name__}."
    )


def as_batch(value: Any, device: torch.device | None = None) -> Batch:
    """Return a batch of `(inputs, labels)`, `(inputs, labels, weights)`, inputs alone, or a mapping.

    A mapping holds the inputs by name, and if there are any `labels`, `example_weights` and `teacher_inputs`.
    Labels of any whole-number type become int64, which torch's losses want; weights become float32 or stay
    float64.

    Raises:
        ConfigurationError: `value` has none of these forms.
    """
    if isinstance(value, Batch):
        batch = value
    elif isinstance(value, Tensor):
        batch = Batch(value)
    elif isinstance(value, Mapping):
        batch = Batch(
            _inputs_of(value),
            value.get("labels"),
            weights=value.get("example_weights"),
            teacher_inputs=value.get("teacher_inputs"),
        )
    elif isinstance(value, (tuple, list)) and len(value) in {1, 2, 3}:
        inputs, labels, weights = (*value, None, None)[:3]
        batch = Batch(inputs, labels, weights=weights)
    else:
        size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ConfigurationError(
            "A batch must be (inputs, labels), (inputs, labels, weights), inputs alone, or a mapping with "
            f"'labels'; got {type(value).__name__}{size}: leave the rest out, in the data set or in a "
            "DataLoader's collate_fn, or give a mapping of the model's inputs by name."
        )
    return Batch(
        move(batch.inputs, device),
        move(_as_labels(batch.labels), device),
        batch.indices,
        move(None if batch.weights is None else _as_weights(batch.weights), device),
        move(batch.teacher_inputs, device),
    )


def move(value: Any, device: torch.device | None) -> Any:
    """Return `value`, with whatever can be moved in it on `device`; `None` leaves it where it is."""
    if device is None or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: move(part, device) for name, part in value.items()}
    return value.to(device, non_blocking=True) if hasattr(value, "to") else value


def map_batch(function: Callable[..., Any], batch: Batch, *others: Batch) -> Batch:
    """Return a batch with the result of a function in the place of each tensor; see `map_tensors`."""
    every = (batch, *others)
    return replace(
        batch,
        inputs=map_tensors(function, *(one.inputs for one in every)),
        labels=map_tensors(function, *(one.labels for one in every)),
        weights=map_tensors(function, *(one.weights for one in every)),
        teacher_inputs=map_tensors(function, *(one.teacher_inputs for one in every)),
    )


def rows_of(tensor: Tensor, numbers: Tensor) -> Tensor:
    """Return the rows with these numbers, `[*numbers.shape, ...]`; channels that come last stay there."""
    if not tensor.is_contiguous():
        return tensor[numbers]
    # a third of the time that indexing takes on a CPU
    return tensor.index_select(0, numbers.flatten()).view(*numbers.shape, *tensor.shape[1:])


def _as_labels(labels: Any) -> Tensor | None:
    if labels is None:
        return None
    if not isinstance(labels, Tensor):
        raise ConfigurationError(
            f"The labels of a batch must be a tensor of classes, got {type(labels).__name__}: number the "
            "classes, and pass a list of single examples as DataLoader(examples, batch_size=...)."
        )
    return labels if labels.is_floating_point() or labels.is_complex() else labels.long()


def _as_weights(weights: Any) -> Tensor:
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
    inputs = {name: part for name, part in value.items() if name not in BESIDE_THE_INPUTS}
    if not inputs:
        raise ConfigurationError(
            "A mapping must hold the model's inputs by name beside 'labels'; got no input."
        )
    return inputs
