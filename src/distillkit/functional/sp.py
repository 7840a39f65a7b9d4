"""Which examples of a batch a layer finds alike, on both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import as_rows, directions


def similarity_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of the products of the examples' features, row by row at length 1, over batch².

    With A the features as rows, G = A Aᵀ whose rows are brought to length 1:
    ‖G_T − G_S‖² / batch².

    Args:
        student: Features, `[batch, ...]`; gradients flow into them.
        teacher: Features of the same examples, with any number of numbers.

    Returns:
        A scalar in [0, 4 / batch], in float32 or better.

    Raises:
        ConfigurationError: They are not of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> round(similarity_distance(student=3 * teacher, teacher=teacher).item(), 6)
        0.0
        >>> round(similarity_distance(student=torch.eye(2), teacher=teacher).item(), 4)
        0.1992

    Reference:
        Tung, Mori, Similarity-Preserving Knowledge Distillation, ICCV 2019.
    """
    z, v = as_rows(student, teacher)
    return (_similarities(z) - _similarities(v)).square().mean()


def _similarities(rows: Tensor) -> Tensor:
    # autocast would take the products in half precision
    with torch.autocast(rows.device.type, enabled=False):
        return directions(rows @ rows.mT)
