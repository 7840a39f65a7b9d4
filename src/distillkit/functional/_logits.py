"""Logits of both sides: precision, shapes, and divergences row by row."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError


def at_least_float32(logits: Tensor) -> Tensor:
    """`logits` as they are in float32 or float64, in float32 otherwise."""
    return logits if logits.dtype in {torch.float32, torch.float64} else logits.float()


def refuse_other_shape(student: Tensor, teacher: Tensor) -> None:
    """Refuse logits of two shapes, which torch would stretch over each other without a word.

    Raises:
        ConfigurationError: Names both shapes.
    """
    if student.shape != teacher.shape:
        raise ConfigurationError(
            f"Student and teacher need logits of one shape, got {list(student.shape)} and "
            f"{list(teacher.shape)}: give both the same examples and the same classes."
        )


def kl_of_rows(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Σ_c p_c (log p_c − log q_c) of each row, `[..., classes]` to `[...]`; 0 · log 0 is 0.

    Where p is 0 its logarithm may be −∞, and that of q too: both values and gradients stay finite. Where only
    q is 0 the divergence is infinite, as it is in mathematics.
    """
    absent = log_p == -torch.inf
    log_p, log_q = log_p.masked_fill(absent, 0.0), log_q.masked_fill(absent, 0.0)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def cross_entropy_of_rows(log_p: Tensor, log_q: Tensor) -> Tensor:
    """−Σ_c p_c log q_c of each row; otherwise as `kl_of_rows`."""
    return -(log_p.exp() * log_q.masked_fill(log_p == -torch.inf, 0.0)).sum(dim=-1)


def class_mask(labels: Tensor, classes: int) -> Tensor:
    """Where the true class stands, `[..., classes]`, for labels `[...]`."""
    return labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)


def at_label(values: Tensor, labels: Tensor) -> Tensor:
    """The true class's value of each row, `[..., classes]` to `[...]`."""
    return values.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
