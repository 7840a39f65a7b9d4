"""How far examples are from each other, and at what angles, on both sides."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._features import as_rows


def relational_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Huber distance of the distances between examples, each over their mean.

    With d_ij = ‖x_i − x_j‖ / μ, and μ the mean over the pairs of distinct examples, the mean over these pairs
    of Huber(d_ij of the student − d_ij of the teacher) at δ = 1.

    Args:
        student: Features, `[batch, ...]`; gradients flow into them.
        teacher: Features of the same examples, with any number of numbers.

    Returns:
        A scalar ≥ 0, in float32 or better; 0 for a batch of one.

    Raises:
        ConfigurationError: They are not of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[0.0], [1.0], [3.0]])
        >>> relational_distance(student=5 * teacher, teacher=teacher).item()
        0.0
        >>> relational_distance(student=torch.eye(3), teacher=teacher).item()
        0.0833333358168602

    Reference:
        Park, Kim, Lu, Cho, Relational Knowledge Distillation, CVPR 2019: the distance-wise loss.
    """
    z, v = as_rows(student, teacher)
    if len(z) < 2:
        return z.sum() * 0
    distinct = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    return F.smooth_l1_loss(
        _over_their_mean(_distances(z)[distinct]), _over_their_mean(_distances(v)[distinct])
    )


def relational_angle(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Huber distance of the angles that examples form.

    The angle at x_j between x_i and x_k has the cosine ⟨e_ij, e_kj⟩, with e_ij the direction of x_i − x_j; 0
    where two of the examples coincide. The mean over all triples of distinct examples of Huber(cosine of the
    student − of the teacher) at δ = 1. Time and memory grow as batch³.

    Args:
        student: Features, `[batch, ...]`; gradients flow into them.
        teacher: Features of the same examples, with any number of numbers.

    Returns:
        A scalar in [0, 1.5], in float32 or better; 0 for a batch of less than three.

    Raises:
        ConfigurationError: They are not of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> turned = torch.tensor([[1.0, 1.0], [1.0, 3.0], [-1.0, 1.0]])
        >>> round(relational_angle(student=turned, teacher=teacher).item(), 4)
        0.0
        >>> round(relational_angle(student=torch.eye(3), teacher=teacher).item(), 4)
        0.056

    Reference:
        Park, Kim, Lu, Cho, Relational Knowledge Distillation, CVPR 2019: the angle-wise loss.
    """
    z, v = as_rows(student, teacher)
    size = len(z)
    if size < 3:
        return z.sum() * 0
    numbers = torch.arange(size, device=z.device)
    i, j, k = numbers[:, None, None], numbers[None, :, None], numbers[None, None, :]
    distinct = (i != j) & (j != k) & (i != k)
    return F.smooth_l1_loss(_cosines(z)[distinct], _cosines(v)[distinct])


def _distances(rows: Tensor) -> Tensor:
    """Between all rows, `[batch, batch]`; not by products, which lose the digits of what is near."""
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def _over_their_mean(distances: Tensor) -> Tensor:
    mean = distances.mean()
    return distances / torch.where(mean > 0, mean, 1.0)


def _cosines(rows: Tensor) -> Tensor:
    """At the second of three examples, `[batch, batch, batch]`."""
    # where a row lies among the others is what angles depend on
    rows = rows - rows.mean(dim=0)
    with torch.autocast(rows.device.type, enabled=False):
        products = rows @ rows.mT
    at = products.diagonal()
    sides = products[:, None, :] - products[:, :, None] - products.mT[None, :, :] + at[None, :, None]
    lengths = _distances(rows)
    apart = lengths > 0
    inverse = torch.where(apart, 1 / torch.where(apart, lengths, 1.0), 0.0)
    return sides * inverse[:, :, None] * inverse[None, :, :]
