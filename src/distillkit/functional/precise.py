"""Losses are computed in float32 or better, whatever the precision of the forward pass."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(logits: Tensor) -> Tensor:
    """`logits` as they are in float32 or float64, in float32 otherwise."""
    return logits if logits.dtype in {torch.float32, torch.float64} else logits.float()
