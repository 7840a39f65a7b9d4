"""Between the two directions of the divergence: the generalised Jensen–Shannon divergence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32, kl_of_rows, refuse_other_shape


def generalized_jsd(
    *, student: Tensor, teacher: Tensor, temperature: float | Tensor, teacher_share: float | Tensor
) -> Tensor:
    """Divergence of both sides from their mixture, times T².

    With p = softmax(teacher / T), q = softmax(student / T) and the mixture m = β p + (1 − β) q:
    T² · mean over the batch of β KL(p ‖ m) + (1 − β) KL(q ‖ m).

    It is symmetric at β = 1/2 and bounded by T² · (−β log β − (1 − β) log(1 − β)), so T² log 2 at most.
    Towards the ends it goes to 0: divided by β it tends to KL(p ‖ q) for β → 0, and divided by 1 − β to KL(q
    ‖ p) for β → 1. A loss near the ends is therefore weak, not one-sided.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape. A class may be −∞ on either side or on both.
        temperature: T > 0.
        teacher_share: β in (0, 1), the teacher's share in the mixture.

    Returns:
        A scalar in float32 or better; ≥ 0 up to rounding, and 0 where the logits differ by a constant per
        row.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> sure, other = torch.tensor([[100.0, 0.0]]), torch.tensor([[0.0, 100.0]])
        >>> loss = generalized_jsd(student=sure, teacher=other, temperature=1.0, teacher_share=0.5)
        >>> round(loss.item(), 4)  # log 2: they have nothing in common
        0.6931

    Reference:
        Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem, On-Policy Distillation of Language Models:
        Learning from Self-Generated Mistakes, ICLR 2024, Eq. 1.
    """
    refuse_other_shape(student, teacher)
    log_q = F.log_softmax(at_least_float32(student) / temperature, dim=-1)
    log_p = F.log_softmax(at_least_float32(teacher) / temperature, dim=-1)
    log_m = _log_mixture(log_p, log_q, teacher_share)
    rows = teacher_share * kl_of_rows(log_p, log_m) + (1 - teacher_share) * kl_of_rows(log_q, log_m)
    return temperature**2 * rows.mean()


def _log_mixture(log_p: Tensor, log_q: Tensor, share: float | Tensor) -> Tensor:
    """log(β p + (1 − β) q), from the larger of the two, so that it is log p to the bit where p = q."""
    absent = (log_q == -torch.inf) & (log_p == -torch.inf)
    log_ratio = log_q.masked_fill(absent, 0.0) - log_p.masked_fill(absent, 0.0)
    from_p = log_p + torch.log1p((1 - share) * torch.expm1(log_ratio.clamp(max=0.0)))
    from_q = log_q + torch.log1p(share * torch.expm1(-log_ratio.clamp(min=0.0)))
    return torch.where(log_ratio > 0, from_q, from_p)
