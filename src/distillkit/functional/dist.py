"""Relations instead of values: how predictions are correlated within rows and within columns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32, refuse_other_shape


def relation_distance(
    *,
    student: Tensor,
    teacher: Tensor,
    temperature: float | Tensor,
    inter_class_weight: float | Tensor,
    intra_class_weight: float | Tensor,
) -> Tensor:
    """One minus Pearson's correlation of the softened probabilities, by example and by class.

    With p and q the softened probabilities, `[batch, classes]`, and d(a, b) = 1 − corr(a, b):

    - inter-class: the mean of d over the examples, each a row over the classes;
    - intra-class: the mean of d over the classes, each a column over the examples;

    and the loss is β · inter-class + γ · intra-class. There is no factor T²: a correlation does not shrink as
    T grows. The intra-class part looks across the examples, so the loss is not the mean of theirs.

    A row or column in which the teacher does not vary has nothing to teach and counts 0. One in which the
    student alone does not vary counts 1, without a gradient: its correlation is not defined. A batch of one
    has no intra-class part.

    Args:
        student: Logits, `[..., classes]`; all dimensions but the last together are the batch. Gradients flow
            into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides.
        temperature: T > 0.
        inter_class_weight: β ≥ 0.
        intra_class_weight: γ ≥ 0.

    Returns:
        A scalar in [0, 2 (β + γ)], in float32 or better.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
        >>> weights = {"temperature": 1.0, "inter_class_weight": 1.0, "intra_class_weight": 1.0}
        >>> round(abs(relation_distance(student=teacher + 5, teacher=teacher, **weights).item()), 4)
        0.0
        >>> round(relation_distance(student=teacher.flip(0), teacher=teacher, **weights).item(), 4)
        3.3356

    Reference:
        Huang, You, Wang, Qian, Xu, Knowledge Distillation from A Stronger Teacher, NeurIPS 2022: the
        distance, the inter-class and the intra-class relation.
    """
    refuse_other_shape(student, teacher)
    classes = student.shape[-1]
    # the authors' code multiplies by T²; a correlation needs no such factor
    q = F.softmax(at_least_float32(student) / temperature, dim=-1).reshape(-1, classes)
    p = F.softmax(at_least_float32(teacher) / temperature, dim=-1).reshape(-1, classes)
    inter = _distance(q, p, dim=1).mean()
    intra = _distance(q, p, dim=0).mean()
    return inter_class_weight * inter + intra_class_weight * intra


def _distance(student: Tensor, teacher: Tensor, *, dim: int) -> Tensor:
    """1 − Pearson's correlation along a dimension."""
    student, student_varies = _direction(student, dim)
    teacher, teacher_varies = _direction(teacher, dim)
    # of two directions; one less their product would lose its digits where they agree
    apart = (student - teacher).square().sum(dim=dim) / 2
    return torch.where(teacher_varies, torch.where(student_varies, apart, 1.0), 0.0)


def _direction(values: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The values less their mean, of length 1; and whether they vary by more than their rounding."""
    centred = values - values.mean(dim=dim, keepdim=True)
    squares = centred.square().sum(dim=dim, keepdim=True)
    rounding = 16 * torch.finfo(values.dtype).eps * values.detach().abs().amax(dim=dim, keepdim=True)
    # the squares of what is smaller than its root are lost below the smallest number
    floor = torch.finfo(values.dtype).tiny ** 0.5 * 1e4
    varies = squares > (rounding + floor).square() * values.shape[dim]
    length = torch.where(varies, squares, 1.0).sqrt()
    return torch.where(varies, centred, 0.0) / length, varies.squeeze(dim)
