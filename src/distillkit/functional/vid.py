"""How unlikely the teacher's features are, given what is guessed from the student's."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32


def gaussian_likelihood(*, mean: Tensor, variance: Tensor, teacher: Tensor) -> Tensor:
    """Negative log-likelihood of the teacher's features under a Gaussian, without its constant.

    The mean over all numbers of (log σ² + (t − μ)² / σ²) / 2. The constant is log(2π) / 2.

    Args:
        mean: μ, `[batch, ...]`, guessed from the student's features; gradients flow into it.
        variance: σ² > 0, of a shape that stretches to that of `mean`.
        teacher: t, of the shape of `mean`.

    Returns:
        A scalar of either sign, in float32 or better.

    Raises:
        ConfigurationError: Mean and teacher are not of one shape.

    Example:
        >>> import torch
        >>> mean, teacher = torch.zeros(2, 3), torch.ones(2, 3)
        >>> gaussian_likelihood(mean=mean, variance=torch.ones(3), teacher=teacher).item()
        0.5

    Reference:
        Ahn, Hu, Damianou, Lawrence, Dai, Variational Information Distillation for Knowledge Transfer, CVPR
        2019: the Gaussian variational distribution.
    """
    if mean.shape != teacher.shape:
        raise ConfigurationError(
            f"The mean must have the shape of the teacher's features {list(teacher.shape)}, got "
            f"{list(mean.shape)}."
        )
    squared = (at_least_float32(teacher) - at_least_float32(mean)).square()
    sigma = at_least_float32(variance)
    return (torch.log(sigma) + squared / sigma).mean() / 2
