"""A model that is spoken to, and understood, in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.outputs import call, logits_of


class Translated(nn.Module):
    """A model with a function before it, one behind it, or both.

    For a teacher that wants other inputs than the student (another size, another normalisation) or knows
    other classes, and for models whose logits are not where they are looked for. Each side may be one, and so
    may the members of an `Ensemble`. The model inside stays as it is, and a student is trained there. Layers
    have the names of the model inside with `model.` before them.

    Args:
        model: Any module.
        inputs: What the model is given, made from a batch's inputs: one tensor, or a mapping of tensors by
            name. Gives the same each time, as torchvision's `Normalize` and `Resize` do. `None` passes them
            on.
        logits: The logits, `[batch, ..., classes]`, made from what the model returns. `None` looks for them
            as always: a tensor, a tuple that begins with one, or an object with `.logits`.

    Raises:
        ConfigurationError: There is no module, or neither function, or one that cannot be called.

    Example:
        >>> import torch
        >>> teacher = nn.Linear(4, 10)  # ten classes, and the student knows three of them
        >>> chosen = Translated(teacher, logits=lambda output: output[..., [7, 1, 2]])
        >>> chosen(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        inputs: Callable[[Any], Any] | None = None,
        logits: Callable[[Any], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise ConfigurationError(f"Translated goes around a torch.nn.Module, got {type(model).__name__}.")
        if inputs is None and logits is None:
            raise ConfigurationError(
                "Translated needs inputs=..., logits=... or both; without them, pass the model itself."
            )
        for name, function in (("inputs", inputs), ("logits", logits)):
            if function is not None and not callable(function):
                raise ConfigurationError(
                    f"{name} must be a function or a module, got {type(function).__name__}."
                )
        self.model, self.inputs, self.logits = model, inputs, logits

    def forward(self, given: Any = None, /, **named: Any) -> Tensor:
        """The logits, `[batch, ..., classes]`, for one tensor, or for inputs by name.

        Raises:
            ConfigurationError: There are no logits.
        """
        given = named or given
        output = call(self.model, given if self.inputs is None else self.inputs(given))
        if self.logits is None:
            return logits_of(output, "The model in Translated")
        found = self.logits(output)
        if not isinstance(found, Tensor):
            raise ConfigurationError(
                f"The function logits of Translated must give a tensor, got {type(found).__name__}."
            )
        return found
