"""Normalised distillation: the other classes' probabilities made to sum to one on both sides."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import (
    at_label,
    at_least_float32,
    class_mask,
    cross_entropy_of_rows,
    refuse_other_shape,
)


def normalized_kd(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float | Tensor,
    non_target_weight: float | Tensor,
) -> Tensor:
    """Cross-entropy on the true class weighted by the teacher's trust in it, and on the other classes.

    With p_t and q_t the true class's probabilities at T = 1, and p̂, q̂ the softened probabilities of the
    other classes divided by their sum: mean over the batch of

    −p_t log q_t − γ T² Σ_{i ≠ t} p̂_i log q̂_i.

    These are cross-entropies: where both sides agree the loss is not 0, and for the true class the student's
    best is q_t = 1.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides: it is as if it were not there.
        labels: True classes, `[...]`, int64 in `[0, classes)`.
        temperature: T > 0 of the other classes (the paper's λ).
        non_target_weight: γ ≥ 0.

    Returns:
        A scalar ≥ 0, in float32 or better; 0 with one class.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 1.0, 0.0]]), torch.zeros(1, 3)
        >>> loss = normalized_kd(student=student, teacher=teacher, labels=torch.tensor([0]), temperature=1.0,
        ...                      non_target_weight=1.5)
        >>> round(loss.item(), 4)  # 0.6652 log 3 + 1.5 log 2
        1.7706

    Reference:
        Yang, Zeng, Li, Zhang, Yuan, Li, From Knowledge Distillation to Self-Knowledge Distillation: A Unified
        Approach with Normalized Loss and Customized Soft Labels, ICCV 2023: the NKD loss.
    """
    refuse_other_shape(student, teacher)
    z, v = at_least_float32(student), at_least_float32(teacher)
    if z.shape[-1] == 1:
        return z.sum() * 0.0
    trust = at_label(F.softmax(v, dim=-1), labels)
    on_target = -trust * at_label(F.log_softmax(z, dim=-1), labels)
    target = class_mask(labels, z.shape[-1])
    others = cross_entropy_of_rows(
        F.log_softmax((v / temperature).masked_fill(target, -torch.inf), dim=-1),
        F.log_softmax((z / temperature).masked_fill(target, -torch.inf), dim=-1),
    )
    return (on_target + non_target_weight * temperature**2 * others).mean()
