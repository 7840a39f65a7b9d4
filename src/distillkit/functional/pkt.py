"""Which examples a layer finds near each other, as probabilities, on both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import as_rows, directions
from distillkit.functional._logits import kl_of_rows

_LEAST = 1e-6
"""The least affinity: two opposite examples would have none, and its logarithm is infinite."""


def neighbour_divergence(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Divergence of the probabilities with which an example would pick each other one as its neighbour.

    The affinity of two examples is (1 + cosine of their features) / 2, at least 10⁻⁶; the probabilities
    p_j|i are those of i to all others, made to sum to 1. The loss is the mean over i of
    Σ_{j≠i} p_j|i (log p_j|i − log q_j|i), with p the teacher's.

    Args:
        student: Features, `[batch, ...]`; gradients flow into them.
        teacher: Features of the same examples, with any number of numbers.

    Returns:
        A scalar ≥ 0 up to rounding, in float32 or better; 0 for a batch of less than three.

    Raises:
        ConfigurationError: They are not of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
        >>> round(neighbour_divergence(student=teacher.flip(0), teacher=teacher).item(), 3)
        0.415

    Reference:
        Passalis, Tefas, Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018:
        the cosine kernel and the divergence of conditional probabilities.
    """
    z, v = as_rows(student, teacher)
    if len(z) < 2:
        return z.sum() * 0
    return kl_of_rows(_log_probabilities(v), _log_probabilities(z)).mean()


def _log_probabilities(rows: Tensor) -> Tensor:
    """Return the log-probabilities of each example's others as its neighbour, `[batch, batch − 1]`."""
    size = len(rows)
    rows = directions(rows)
    # autocast would take the products in half precision
    with torch.autocast(rows.device.type, enabled=False):
        affinities = ((1 + rows @ rows.mT) / 2).clamp(min=_LEAST)
    others = affinities[~torch.eye(size, dtype=torch.bool, device=rows.device)].view(size, size - 1)
    return others.log() - others.sum(dim=1, keepdim=True).log()
