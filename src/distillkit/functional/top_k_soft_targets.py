"""The soft-target loss where of the teacher only its likeliest classes are known."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32, kl_of_rows


def top_k_kl(
    *, student: Tensor, teacher_log_probabilities: Tensor, indices: Tensor, temperature: float | Tensor
) -> Tensor:
    """Divergence over the teacher's k likeliest classes and one outcome for all the others, times T².

    With p_1 … p_k what the teacher gives its likeliest classes at T, q_1 … q_k what the student gives them,
    and the rest p' = 1 − Σ p_i, q' = 1 − Σ q_i: T² · mean over the batch of Σ_i p_i (log p_i − log q_i) + p'
    (log p' − log q').

    The mass that is missing from the list is so accounted for: it is neither taken for 0 nor spread over the
    k. The loss is at most `distillation_kl`, and equal to it with all classes in the list.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher_log_probabilities: Logarithms of the teacher's softened probabilities, `[..., k]`: of the
        softmax
            over all classes at this temperature, which the k logits alone do not give.
        indices: Their classes, `[..., k]`, int64 in `[0, classes)`, each once a row.
        temperature: T > 0, that of the teacher's probabilities.

    Returns:
        A scalar in float32 or better; ≥ 0 up to rounding.

    Raises:
        ConfigurationError: The shapes do not fit.

    Example:
        >>> import torch
        >>> student = torch.zeros(1, 4)
        >>> known, where = torch.tensor([[0.7, 0.2]]).log(), torch.tensor([[2, 0]])
        >>> loss = top_k_kl(
        ...     student=student, teacher_log_probabilities=known, indices=where, temperature=1.0)
        >>> round(loss.item(), 4)  # 0.7 log (0.7 / 0.25) + 0.2 log (0.2 / 0.25) + 0.1 log (0.1 / 0.5)
        0.5152
    """
    if indices.shape != teacher_log_probabilities.shape or indices.shape[:-1] != student.shape[:-1]:
        raise ConfigurationError(
            "A teacher's top k needs log-probabilities and indices of one shape, [..., k], for student "
            f"logits [..., classes]; got {list(teacher_log_probabilities.shape)} and "
            f"{list(indices.shape)} for {list(student.shape)}."
        )
    z = at_least_float32(student) / temperature
    log_p = at_least_float32(teacher_log_probabilities).to(z.dtype)
    whole = z.logsumexp(dim=-1, keepdim=True)
    log_q = z.gather(-1, indices) - whole
    if indices.shape[-1] < z.shape[-1]:
        # a finite number, for where nothing is left
        others = z.scatter(-1, indices, torch.finfo(z.dtype).min).logsumexp(dim=-1, keepdim=True)
        log_q = torch.cat([log_q, others - whole], dim=-1)
        missing = -torch.expm1(log_p.logsumexp(dim=-1, keepdim=True).clamp(max=0.0))
        log_p = torch.cat([log_p, missing.log()], dim=-1)
    return temperature**2 * kl_of_rows(log_p, log_q).mean()
