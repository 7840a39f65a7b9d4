"""Decoupled distillation: the true class, and the other classes among themselves."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import (
    at_label,
    at_least_float32,
    class_mask,
    kl_of_rows,
    refuse_other_shape,
)


def decoupled_kl(
    *,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float | Tensor,
    target_weight: float | Tensor,
    non_target_weight: float | Tensor,
) -> Tensor:
    """The soft-target divergence in two parts, each with a weight of its own, times T².

    With p and q the softened probabilities of teacher and student, t the true class, and p̂, q̂ the
    probabilities of the other classes divided by their sum:

    - target class: KL of (p_t, 1 − p_t) and (q_t, 1 − q_t);
    - other classes: Σ_{i ≠ t} p̂_i (log p̂_i − log q̂_i);

    and the loss is T² · mean over the batch of (α · target class + β · other classes). `distillation_kl` is
    α = 1 and β = 1 − p_t, so it all but ignores the other classes where the teacher is sure.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides: it is as if it were not there.
        labels: True classes, `[...]`, int64 in `[0, classes)`.
        temperature: T > 0.
        target_weight: α ≥ 0.
        non_target_weight: β ≥ 0.

    Returns:
        A scalar ≥ 0, in float32 or better; 0 where the logits differ by a constant per row, and with one
        class.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 1.0, 0.0]]), torch.zeros(1, 3)
        >>> one = {"student": student, "teacher": teacher, "labels": torch.tensor([0]), "temperature": 1.0}
        >>> round(decoupled_kl(**one, target_weight=1.0, non_target_weight=0.0).item(), 4)
        0.2291
        >>> round(decoupled_kl(**one, target_weight=0.0, non_target_weight=1.0).item(), 4)
        0.1109

    Reference:
        Zhao, Cui, Song, Qiu, Liang, Decoupled Knowledge Distillation, CVPR 2022: the two parts, and their sum
        with the weights α and β.
    """
    refuse_other_shape(student, teacher)
    z, v = at_least_float32(student), at_least_float32(teacher)
    if z.shape[-1] == 1:
        return z.sum() * 0.0
    target = class_mask(labels, z.shape[-1])
    # their code takes 1000 off the true class's logit, which logits of that size would show; here it is −∞
    others_q = F.log_softmax((z / temperature).masked_fill(target, -torch.inf), dim=-1)
    others_p = F.log_softmax((v / temperature).masked_fill(target, -torch.inf), dim=-1)
    both = kl_of_rows(_pair(v / temperature, target, labels), _pair(z / temperature, target, labels))
    others = kl_of_rows(others_p, others_q)
    return temperature**2 * (target_weight * both + non_target_weight * others).mean()


def _pair(logits: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """The logarithms of the true class's probability and of all others' together, `[..., 2]`."""
    logs = F.log_softmax(logits, dim=-1)
    others = logs.masked_fill(target, -torch.inf).logsumexp(dim=-1)
    return torch.stack([at_label(logs, labels), others], dim=-1)
