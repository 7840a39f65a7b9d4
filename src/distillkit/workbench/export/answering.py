"""A model as it is exported: named inputs, and its logits as the one output."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any

from torch import Tensor, nn

from distillkit.outputs import logits_of

ONE_INPUT = "input"
"""The name of the input of a model that takes one tensor."""


class Answering(nn.Module):
    """A model with named inputs and its logits as the one output, which torch can read off its signature.

    Args:
        model: Any module.
        names: The inputs that it is given by name; `None` of one that takes a tensor.
    """

    def __init__(self, model: nn.Module, names: tuple[str, ...] | None) -> None:
        super().__init__()
        self.model = model

        def forward(*given: Any, **named: Any) -> Tensor:
            return logits_of(model(*given, **named))

        # torch names inputs by the signature, and knows no inputs by name without one; mypy lets no function
        # have it
        forward.__signature__ = Signature(  # type: ignore[attr-defined]
            [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names or (ONE_INPUT,)]
        )
        self.forward = forward
        self.by_name = names is not None

    def ask(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits of a batch."""
        given, named = self.arguments(batch)
        said: Tensor = self(*given, **named)
        return said

    def arguments(self, batch: Mapping[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The batch as the model is called with it."""
        return ((), dict(batch)) if self.by_name else ((batch[ONE_INPUT],), {})
