"""Several teachers as one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional.precise import at_least_float32
from distillkit.outputs import logits_of


class Ensemble(nn.Module):
    """Several modules that speak as one teacher.

    With `average="probabilities"` its logits are the logarithm of the members' mean probabilities (at T = 1),
    the arithmetic mean of what they predict; with `"logits"` they are the mean of the logits, the geometric
    mean.

    Args:
        members: The modules, at least one; each gives `[batch, classes]`.
        average: What is averaged, `"probabilities"` or `"logits"`.

    Raises:
        ConfigurationError: No members, something that is no module, or no such average.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> ensemble = Ensemble([nn.Linear(4, 3), nn.Linear(4, 3)], average="probabilities")
        >>> ensemble(torch.zeros(2, 4)).shape
        torch.Size([2, 3])

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2 and §4.
    """

    def __init__(self, members: Iterable[nn.Module], *, average: Literal["probabilities", "logits"]) -> None:
        super().__init__()
        modules = list(members)
        if strange := [type(member).__name__ for member in modules if not isinstance(member, nn.Module)]:
            raise ConfigurationError(f"The members of an Ensemble must be modules, got {', '.join(strange)}.")
        self.members = nn.ModuleList(modules)
        if not self.members:
            raise ConfigurationError("An Ensemble needs at least one member, got none.")
        if average not in {"probabilities", "logits"}:
            raise ConfigurationError(f"average must be 'probabilities' or 'logits', got {average!r}.")
        self.average = average

    def forward(self, *inputs: Any, **named_inputs: Any) -> Tensor:
        """The ensemble's logits, `[batch, classes]`, in float32 or better.

        Raises:
            ConfigurationError: The members do not give logits of one shape.
        """
        said = [
            at_least_float32(logits_of(member(*inputs, **named_inputs), "A member of the Ensemble"))
            for member in self.members
        ]
        if len(shapes := {tuple(logits.shape) for logits in said}) > 1:
            raise ConfigurationError(
                f"The members of an Ensemble must give logits of one shape, got {sorted(shapes)}: leave out "
                "those that know other classes."
            )
        logits = torch.stack(said)
        if self.average == "logits":
            return logits.mean(dim=0)
        return logits.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(self.members))
