"""Alignment on three levels: each prediction, the examples among themselves, the classes among themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32, kl_of_rows, refuse_other_shape


def multi_level_kd(*, student: Tensor, teacher: Tensor, temperatures: Sequence[float | Tensor]) -> Tensor:
    """Divergence of predictions, and squared distances of their products by example and by class.

    With P and Q the softened probabilities of teacher and student, `[B, C]`, the sum over the temperatures of

    - instance level: T² · mean over the batch of Σ_c p_c (log p_c − log q_c);
    - batch level: ‖P Pᵀ − Q Qᵀ‖² / B, which are B × B numbers;
    - class level: ‖Pᵀ P − Qᵀ Q‖² / C, which are C × C numbers.

    The last two look across the examples and grow with the batch: of a batch given twice over the batch level
    is twice, the class level four times as large. The authors' code has batches of 64.

    Args:
        student: Logits, `[..., classes]`; all dimensions but the last together are the batch. Gradients flow
            into them.
        teacher: Logits of the same shape. A class may be −∞ on both sides.
        temperatures: Each > 0; one or more.

    Returns:
        A scalar in float32 or better; ≥ 0 up to rounding, and 0 where the logits differ by a constant per
        row.

    Raises:
        ConfigurationError: The logits are not of one shape.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> round(multi_level_kd(student=student, teacher=teacher, temperatures=[1.0]).item(), 4)
        0.599

    Reference:
        Jin, Wang, Lin, Multi-Level Logit Distillation, CVPR 2023: prediction augmentation (the
        temperatures) and the instance, batch and class levels.
    """
    refuse_other_shape(student, teacher)
    classes = student.shape[-1]
    z = at_least_float32(student).reshape(-1, classes)
    v = at_least_float32(teacher).reshape(-1, classes)
    # their code also learns from strongly augmented views and scales by masks
    return torch.stack([_at(z, v, temperature) for temperature in temperatures]).sum()


def _at(z: Tensor, v: Tensor, temperature: float | Tensor) -> Tensor:
    log_q, log_p = F.log_softmax(z / temperature, dim=-1), F.log_softmax(v / temperature, dim=-1)
    q, p = log_q.exp(), log_p.exp()
    # autocast would take the products in half precision
    with torch.autocast(z.device.type, enabled=False):
        batch_level = (p @ p.mT - q @ q.mT).square().sum() / z.shape[0]
        class_level = (p.mT @ p - q.mT @ q).square().sum() / z.shape[1]
    return temperature**2 * kl_of_rows(log_p, log_q).mean() + batch_level + class_level
