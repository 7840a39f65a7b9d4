"""Calling a model, and the logits in its output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from distillkit.errors import ConfigurationError


def call(model: Callable[..., Any], inputs: Any) -> Any:
    """Return the model's output; a mapping of inputs is passed by name, anything else as the one argument.

    An error of the model is raised again, with a note of the inputs.
    """
    try:
        return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    except (RuntimeError, TypeError) as error:
        error.add_note(f"The model was given {_described(inputs)}.")
        raise


def _described(inputs: Any) -> str:
    """Describe inputs for people."""
    if isinstance(inputs, Mapping):
        by_name = ", ".join(f"{name}={_described(value)}" for name, value in inputs.items())
        return f"{by_name}, by name, as all of a mapping is but its 'labels'"
    if isinstance(inputs, Tensor):
        return f"{str(inputs.dtype).removeprefix('torch.')} {list(inputs.shape)}"
    return type(inputs).__name__


def logits_of(output: Any, who: str = "The model") -> Tensor:
    """Return the logits in a model's output: a tensor, `.logits` or `["logits"]`, or a tuple's first.

    Args:
        output: The output of a forward pass.
        who: The first words of the error message.

    Raises:
        ConfigurationError: The output holds no logits.

    Example:
        >>> import torch
        >>> logits_of((torch.zeros(1, 10), "more")).shape
        torch.Size([1, 10])
    """
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
        return output[0]
    raise ConfigurationError(
        f"{who} returned {type(output).__name__}, which holds no logits: return a tensor, a tuple "
        "that begins with one, or an object with `.logits`."
    )
