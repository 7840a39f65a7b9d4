"""Hinton's soft-target loss, T² KL(teacher ‖ student)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32, refuse_other_shape


def distillation_kl(*, student: Tensor, teacher: Tensor, temperature: float | Tensor) -> Tensor:
    """Divergence of the student's softened probabilities from the teacher's, times T².

    With p = softmax(teacher / T) and q = softmax(student / T):
    T² · mean over the batch of Σ_c p_c (log p_c − log q_c). Its gradient with respect to the student's logits
    is T · (q − p) / batch, so the factor T² keeps it of one order whatever the temperature.

    Args:
        student: Logits, `[..., classes]`, finite; gradients flow into them.
        teacher: Logits of the same shape, finite.
        temperature: T > 0; 1 is the softmax itself, larger is softer.

    Returns:
        A scalar in float32, or float64 where the logits are; ≥ 0 up to rounding (1e-7 · T² in float32), and 0
        where the logits differ by a constant per row.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> round(distillation_kl(student=student, teacher=teacher, temperature=1.0).item(), 4)
        0.3278
        >>> round(distillation_kl(student=student, teacher=teacher, temperature=20.0).item(), 4)
        0.4994

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.
    """
    refuse_other_shape(student, teacher)
    log_q = F.log_softmax(at_least_float32(student) / temperature, dim=-1)
    log_p = F.log_softmax(at_least_float32(teacher) / temperature, dim=-1)
    # not F.kl_div, which vmap runs in a loop
    divergence = (log_p.exp() * (log_p - log_q)).sum()
    return divergence * (temperature**2 * student.shape[-1] / student.numel())
