"""The labels of a language model that says at each position what comes next."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError


def next_token_labels(labels: Tensor) -> Tensor:
    """Labels moved to where they are predicted: each position gets that of the next, the last one −100.

    Causal language models give at a position the logits of the token that follows, and their data hold at
    that position the token itself, with −100 where it does not count.

    Args:
        labels: `[..., positions]`, whole numbers.

    Returns:
        The same shape and type.

    Raises:
        ConfigurationError: There are no positions, or the labels are no whole numbers.

    Example:
        >>> next_token_labels(torch.tensor([[5, 8, 2, -100]])).tolist()
        [[8, 2, -100, -100]]
    """
    if labels.dim() == 0 or labels.is_floating_point() or labels.is_complex():
        raise ConfigurationError(
            "Labels must be whole numbers of shape [..., positions], got "
            f"{labels.dtype} {list(labels.shape)}."
        )
    return torch.cat([labels[..., 1:], torch.full_like(labels[..., :1], -100)], dim=-1)
