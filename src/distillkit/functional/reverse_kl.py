"""The divergence the other way round, KL(student ‖ teacher)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32, kl_of_rows, refuse_other_shape


def reverse_kl(*, student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Divergence of the teacher's softened probabilities from the student's, times T².

    With p = softmax(teacher / T) and q = softmax(student / T):
    T² · mean over the batch of Σ_c q_c (log q_c − log p_c). Where `distillation_kl` asks the student to cover
    all that the teacher thinks possible, this asks it to keep to what the teacher thinks likely.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides: it is as if it were not there.
        temperature: T > 0.

    Returns:
        A scalar in float32 or better; ≥ 0 up to rounding, and 0 where the logits differ by a constant per
        row.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> round(reverse_kl(student=student, teacher=teacher, temperature=1.0).item(), 4)
        0.4338

    Reference:
        Gu, Dong, Wei, Huang, MiniLLM: Knowledge Distillation of Large Language Models, ICLR 2024: the
        objective. There it is over whole sequences that the student samples; here over the classes of each
        position of the data.
    """
    refuse_other_shape(student, teacher)
    log_q = F.log_softmax(at_least_float32(student) / temperature, dim=-1)
    log_p = F.log_softmax(at_least_float32(teacher) / temperature, dim=-1)
    return temperature**2 * kl_of_rows(log_q, log_p).mean()
