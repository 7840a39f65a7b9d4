"""A model with its inputs or its logits converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.outputs import call, logits_of


class Translated(nn.Module):
    """A model with a function that converts its inputs, one that converts its output, or both.

    For a teacher that needs other inputs than the student (another size, another normalisation) or has other
    classes, and for models whose logits are not found in their output. Teacher, student and the members of an
    `Ensemble` may be one. The model inside is not copied: a student is trained in place. Its layers have
    their names with `model.` before them.

    Args:
        model: Any module.
        inputs: Converts a batch's inputs to those of the model: one tensor, or a mapping of tensors by name.
            It must be deterministic, as torchvision's `Normalize` and `Resize` are. `None` leaves them.
        logits: Converts the model's output to logits, `[batch, ..., classes]`. `None` accepts a tensor, a
            tuple that begins with one, or an object with `.logits`.

    Raises:
        ConfigurationError: `model` is no module, both functions are missing, or one cannot be called.

    Example:
        >>> import torch
        >>> teacher = nn.Linear(4, 10)  # ten classes, of which the student has three
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
            raise ConfigurationError(f"Translated wraps a torch.nn.Module, got {type(model).__name__}.")
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
        """Return the logits, `[batch, ..., classes]`, of one tensor, or of inputs by name.

        Raises:
            ConfigurationError: The output holds no logits.
        """
        given = named or given
        output = call(self.model, given if self.inputs is None else self.inputs(given))
        if self.logits is None:
            return logits_of(output, "The model in Translated")
        logits = self.logits(output)
        if not isinstance(logits, Tensor):
            raise ConfigurationError(
                f"The function logits of Translated must return a tensor, got {type(logits).__name__}."
            )
        return logits
