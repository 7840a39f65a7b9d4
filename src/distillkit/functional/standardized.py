"""Logits less their mean, over their standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._logits import at_least_float32


def standardize_logits(logits: Tensor) -> Tensor:
    """The z-score of each row: (z − mean) / σ, with σ² the mean of (z − mean)².

    What is left is how the classes stand to each other; the size of the logits, which a small student can
    hardly reach, is gone. Any loss on logits may follow; a temperature in it is then in units of σ.

    Args:
        logits: `[..., classes]`; a class of −∞ stays so and is not counted in mean and σ.

    Returns:
        The same shape, in float32 or better. A row whose logits are all equal becomes 0, without a gradient.

    Example:
        >>> import torch
        >>> [round(z, 4) for z in standardize_logits(torch.tensor([3.0, 2.0, 1.0])).tolist()]
        [1.2247, 0.0, -1.2247]

    Reference:
        Sun, Ren, Li, Wang, Cao, Logit Standardization in Knowledge Distillation, CVPR 2024: the z-score, here
        without its temperature, which the loss that follows has.
    """
    z = at_least_float32(logits)
    absent = z == -torch.inf
    present = (~absent).sum(dim=-1, keepdim=True)
    mean = z.masked_fill(absent, 0.0).sum(dim=-1, keepdim=True) / present
    centred = (z.masked_fill(absent, 0.0) - mean).masked_fill(absent, 0.0)
    # their code divides by (classes − 1) and adds 1e-7
    variance = centred.square().sum(dim=-1, keepdim=True) / present
    rounding = 16 * torch.finfo(z.dtype).eps * z.detach().masked_fill(absent, 0.0).abs()
    varies = variance > rounding.amax(dim=-1, keepdim=True).square()
    scores = torch.where(varies, centred, 0.0) / torch.where(varies, variance, 1.0).sqrt()
    return scores.masked_fill(absent, -torch.inf)
