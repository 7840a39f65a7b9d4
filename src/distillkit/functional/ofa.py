"""Labels and a teacher in one cross-entropy, which trusts the teacher as far as it is right."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_label, at_least_float32, class_mask, refuse_other_shape


def target_enhanced_cross_entropy(
    *, student: Tensor, teacher: Tensor, labels: Tensor, gamma: float | Tensor
) -> Tensor:
    """Cross-entropy whose weight on the true class grows with the teacher's probability of it.

    With p and q the probabilities of teacher and student and t the true class:
    −(1 + p_t)^γ log q_t − Σ_{c≠t} p_c log q_c, averaged over the batch. At γ = 1 it is the sum of the
    cross-entropies with the labels and with the teacher.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape.
        labels: True classes, `[...]`, int64.
        gamma: γ ≥ 0; larger sharpens on what the teacher has right.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> zeros, labels = torch.zeros(1, 2), torch.tensor([0])
        >>> loss = target_enhanced_cross_entropy(student=zeros, teacher=zeros, labels=labels, gamma=1.0)
        >>> round(loss.item(), 4)  # 2 log 2
        1.3863

    Reference:
        Hao, Guo, Han, Tang, Hu, Wang, Xu, One-for-All: Bridge the Gap Between Heterogeneous Architectures in
        Knowledge Distillation, NeurIPS 2023: the enhanced target. The authors' code is another, see
        `losses.OFA`.
    """
    refuse_other_shape(student, teacher)
    log_q = F.log_softmax(at_least_float32(student), dim=-1)
    p = F.softmax(at_least_float32(teacher), dim=-1)
    weight = (1 + at_label(p, labels)) ** gamma
    others = torch.where(class_mask(labels, p.shape[-1]), 0.0, p * log_q).sum(dim=-1)
    return -(weight * at_label(log_q, labels) + others).mean()
