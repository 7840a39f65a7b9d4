"""Divergences row by row, from log-probabilities, where a probability may be 0."""

from __future__ import annotations

import torch
from torch import Tensor


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
