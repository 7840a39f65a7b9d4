"""How examples are correlated under a Gaussian kernel, on both sides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distillkit.functional._features import as_rows, directions


def correlation_distance(*, student: Tensor, teacher: Tensor, gamma: float | Tensor, order: int) -> Tensor:
    """Squared distance of the examples' correlations under a Gaussian kernel, over batch².

    With features x at length 1, the kernel e^(−γ‖x_i − x_j‖²) by its Taylor series around orthogonal
    features: C_ij = e^(−2γ) Σ_p (2γ)^p / p! ⟨x_i, x_j⟩^p for p from 0 to the order. The loss is ‖C_S − C_T‖²
    / batch².

    Args:
        student: Features, `[batch, ...]`; gradients flow into them.
        teacher: Features of the same examples, with any number of numbers.
        gamma: γ > 0; larger looks at nearer examples.
        order: Of the series, ≥ 1.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: They are not of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> round(correlation_distance(student=torch.eye(2), teacher=teacher, gamma=0.4, order=2).item(), 4)
        0.0532

    Reference:
        Peng, Jin, Liu, Zhou, Wu, Liu, Li, Zhang, Correlation Congruence for Knowledge Distillation, ICCV
        2019: the Gaussian kernel and its Taylor series.
    """
    z, v = as_rows(student, teacher)
    return (_correlations(z, gamma, order) - _correlations(v, gamma, order)).square().mean()


def _correlations(rows: Tensor, gamma: float | Tensor, order: int) -> Tensor:
    rows = directions(rows)
    # autocast would take the products in half precision
    with torch.autocast(rows.device.type, enabled=False):
        cosines = rows @ rows.mT
    series = torch.stack([(2 * gamma * cosines) ** p / math.factorial(p) for p in range(order + 1)]).sum(
        dim=0
    )
    return series * torch.exp(torch.as_tensor(-2 * gamma, dtype=rows.dtype, device=rows.device))
