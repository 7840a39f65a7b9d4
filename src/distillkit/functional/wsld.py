"""Soft labels that count less where the student does as well as the teacher already."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import (
    at_label,
    at_least_float32,
    cross_entropy_of_rows,
    refuse_other_shape,
)


def weighted_soft_labels(
    *, student: Tensor, teacher: Tensor, labels: Tensor, temperature: float | Tensor
) -> Tensor:
    """Soft-target cross-entropy, each example weighted by how far the student is behind its teacher.

    With p and q the softened probabilities, and L_s and L_t the cross-entropies of student and teacher with
    the true class at T = 1: mean over the batch of

    (1 − exp(−L_s / L_t)) · T² · (−Σ_c p_c log q_c).

    The weight lies in [0, 1] and is held fixed: no gradient flows through it.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides: it is as if it were not there.
        labels: True classes, `[...]`, int64 in `[0, classes)`.
        temperature: T > 0.

    Returns:
        A scalar ≥ 0, in float32 or better; 0 with one class. A cross-entropy: where both sides agree it is
        not 0.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> same = torch.zeros(1, 2)
        >>> loss = weighted_soft_labels(student=same, teacher=same, labels=torch.tensor([0]), temperature=1.0)
        >>> round(loss.item(), 4)  # (1 − 1/e) · log 2
        0.4382

    Reference:
        Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang, Rethinking Soft Labels for Knowledge Distillation: A
        Bias-Variance Tradeoff Perspective, ICLR 2021: weighted soft labels.
    """
    refuse_other_shape(student, teacher)
    z, v = at_least_float32(student), at_least_float32(teacher)
    student_wrong = -at_label(F.log_softmax(z.detach(), dim=-1), labels)
    teacher_wrong = -at_label(F.log_softmax(v, dim=-1), labels)
    # their code adds 1e-7 to the divisor; where both are 0 the student has nothing to catch up, and counts 0
    behind = student_wrong / teacher_wrong.clamp_min(torch.finfo(teacher_wrong.dtype).tiny)
    soft = cross_entropy_of_rows(
        F.log_softmax(v / temperature, dim=-1), F.log_softmax(z / temperature, dim=-1)
    )
    return temperature**2 * (-torch.expm1(-behind) * soft).mean()
