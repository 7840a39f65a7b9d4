"""Matching logits: what the soft-target loss becomes at a very high temperature."""

from __future__ import annotations

from torch import Tensor

from distillkit.functional._logits import at_least_float32, refuse_other_shape


def logit_matching(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared difference of the centred logits over the number of classes, averaged over the batch.

    With z and v the logits minus their mean over the classes, N of them: mean over the batch of
    Σ_c (z_c − v_c)² / (2N). Its gradient, (z − v) / (N · batch), is the limit of that of
    `distillation_kl` for T → ∞.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape.

    Returns:
        A scalar ≥ 0, in float32 or better; 0 where the logits differ by a constant per row.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> logit_matching(student=student, teacher=teacher).item()
        0.5

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.1.
    """
    refuse_other_shape(student, teacher)
    difference = at_least_float32(student) - at_least_float32(teacher)
    centred = difference - difference.mean(dim=-1, keepdim=True)
    return centred.square().mean(dim=-1).mean() / 2
