"""Generalist and specialists as one teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distillkit.mnist.experiments.specialists.solver import combine


class Panel(nn.Module):
    """A module whose logits are log q of what generalist and specialists say together.

    A specialist is active where the generalist's most probable class is special to it (§5.4, step 1 with
    n = 1), so where there are groups without it the generalist speaks alone. To a `Distiller` this is a
    teacher like any other.

    Args:
        generalist: Gives `[batch, classes]`.
        specialists: Each gives `[batch, its classes + 1]`, the dustbin last.
        groups: Their special classes.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> panel = Panel(nn.Linear(4, 3), [nn.Linear(4, 3)], [(0, 1)])
        >>> panel(torch.zeros(2, 4)).exp().sum(dim=-1).tolist()
        [1.0, 1.0]

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §5.4. Distilling it back
        into one network is what §5 leaves open.
    """

    def __init__(
        self, generalist: nn.Module, specialists: Sequence[nn.Module], groups: Sequence[tuple[int, ...]]
    ) -> None:
        super().__init__()
        self.generalist, self.specialists = generalist, nn.ModuleList(specialists)
        self.groups = tuple(groups)

    def forward(self, inputs: Tensor) -> Tensor:
        """Log q, `[batch, classes]`, float32."""
        logits = self.generalist(inputs)
        q = combine(
            _probabilities(logits),
            [_probabilities(specialist(inputs)) for specialist in self.specialists],
            self.groups,
            self.active(logits).cpu(),
        )
        return q.clamp_min(torch.finfo(torch.float64).tiny).log().float().to(logits.device)

    def active(self, logits: Tensor) -> Tensor:
        """Which specialists are asked, bool `[batch, specialists]`, by the generalist's logits."""
        best = logits.argmax(dim=-1, keepdim=True)
        asked = [
            torch.isin(best, torch.tensor(group, device=best.device)).any(dim=-1) for group in self.groups
        ]
        return torch.stack(asked, dim=-1) if asked else best.new_zeros(len(best), 0, dtype=torch.bool)


def _probabilities(logits: Tensor) -> Tensor:
    # not every device has float64
    return logits.cpu().double().softmax(dim=-1)
