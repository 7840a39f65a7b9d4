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
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.outputs import logits_of


class Ensemble(nn.Module):
    """Several modules as one teacher.

    With `average="probabilities"` its logits are the logarithm of the members' mean probabilities (at T = 1),
    their arithmetic mean; with `"logits"` they are the mean of the members' logits, which is the geometric
    mean of the probabilities. A loss then softens these logits. Softening the members first gives the same
    geometric mean, but another arithmetic one; the paper does not say which comes first.

    The logits of each member are the output of the layer `member-logits`, `[batch, members, ..., classes]`,
    which `losses.BestOf` reads. Layers of the members have the names `members.0.…`, `members.1.…`.

    Args:
        members: The modules, at least one; each gives `[batch, classes]`.
        average: The quantity that is averaged, `"probabilities"` or `"logits"`.
        weights: The weight of each member in the average: numbers ≥ 0, not all 0, divided by their sum. All
            are equal where none are given. A member of weight 0 still runs, and a loss can use its layers.

    Raises:
        ConfigurationError: There are no members, one is no module, or `average` or `weights` cannot be used.

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
        self.add_module(MEMBER_LOGITS, nn.Identity())

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of the members, which sum to 1."""
        return tuple(weight / len(self._relative) for weight in self._relative)

    def forward(self, *inputs: Any, **named_inputs: Any) -> Tensor:
        """Return the ensemble's logits, `[batch, classes]`, in float32 or better.

        Raises:
            ConfigurationError: The members' logits have different shapes.
        """
        logits = [
            at_least_float32(logits_of(member(*inputs, **named_inputs), "A member of the Ensemble"))
            for member in self.members
        ]
        if len(shapes := {tuple(of_one.shape) for of_one in logits}) > 1:
            raise ConfigurationError(
                f"The members of an Ensemble must give logits of one shape, got {sorted(shapes)}: leave out "
                "those that know other classes."
            )
        self.get_submodule(MEMBER_LOGITS)(torch.stack(logits, dim=1))
        # 0 times an infinite logit would be nan
        weighted = [(of_one, weight) for of_one, weight in zip(logits, self._relative, strict=True) if weight]
        if self.average == "logits":
            return torch.stack([weight * of_one for of_one, weight in weighted]).sum(dim=0) / len(logits)
        log_probabilities = [of_one.log_softmax(dim=-1) + math.log(weight) for of_one, weight in weighted]
        return torch.stack(log_probabilities).logsumexp(dim=0) - math.log(len(logits))


def _relative_weights(weights: Iterable[float], members: int) -> tuple[float, ...]:
    """Return the weights scaled to a mean of 1, so that equal weights change no bit of the average."""
    given: list[Any] = list(weights)
    numbers = [float(weight) for weight in given if isinstance(weight, Real) and float(weight) >= 0]
    if len(given) != members or len(numbers) != members or not 0 < sum(numbers) < math.inf:
        raise ConfigurationError(
            f"weights must be {members} numbers ≥ 0, one for each member of the Ensemble and not all 0; got "
            f"{given!r}."
        )
    return tuple(weight * members / sum(numbers) for weight in numbers)
