"""Several teachers as one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.outputs import logits_of


class Ensemble(nn.Module):
    """Several modules that speak as one teacher.

    With `average="probabilities"` its logits are the logarithm of the members' mean probabilities (at T = 1),
    the arithmetic mean of what they predict; with `"logits"` they are the mean of the logits, the geometric
    mean. A loss softens what they predict together. The geometric mean of softened probabilities is the same;
    of the arithmetic one the paper does not say which comes first, mixing or softening.

    What each member says is there too, as the layer `voices`: `losses.BestOf` looks at it. Layers of the
    members have the names `members.0.…`, `members.1.…`.

    Args:
        members: The modules, at least one; each gives `[batch, classes]`.
        average: What is averaged, `"probabilities"` or `"logits"`.
        weights: What each member counts in the average, a number ≥ 0 for each, not all 0; they are divided by
            their sum. All the same where none are given. A member of weight 0 still runs, and its layers can
            be looked at.

    Raises:
        ConfigurationError: No members, something that is no module, no such average, or weights that are
            none.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> ensemble = Ensemble(
        ...     [nn.Linear(4, 3), nn.Linear(4, 3)], average="probabilities", weights=[3, 1]
        ... )
        >>> ensemble(torch.zeros(2, 4)).shape, ensemble.weights
        (torch.Size([2, 3]), (0.75, 0.25))

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §1 and §4.
    """

    def __init__(
        self,
        members: Iterable[nn.Module],
        *,
        average: Literal["probabilities", "logits"],
        weights: Iterable[float] | None = None,
    ) -> None:
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
        self._relative = _relative_weights([1.0] * len(modules) if weights is None else weights, len(modules))
        self.voices = nn.Identity()  # `layer_names.VOICES`

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each member; they sum to 1."""
        return tuple(weight / len(self._relative) for weight in self._relative)

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
        self.voices(torch.stack(said, dim=1))
        counted = [(logits, weight) for logits, weight in zip(said, self._relative, strict=True) if weight]
        if self.average == "logits":
            return torch.stack([weight * logits for logits, weight in counted]).sum(dim=0) / len(said)
        likely = [logits.log_softmax(dim=-1) + math.log(weight) for logits, weight in counted]
        return torch.stack(likely).logsumexp(dim=0) - math.log(len(said))


def _relative_weights(weights: Iterable[float], members: int) -> tuple[float, ...]:
    """The weights times what makes their mean 1: those of an even average change no bit of it."""
    given: list[Any] = list(weights)
    numbers = [float(weight) for weight in given if isinstance(weight, Real) and float(weight) >= 0]
    if len(given) != members or len(numbers) != members or not 0 < sum(numbers) < math.inf:
        raise ConfigurationError(
            f"weights must be {members} numbers ≥ 0, one for each member of the Ensemble and not all 0; got "
            f"{given!r}."
        )
    return tuple(weight * members / sum(numbers) for weight in numbers)
