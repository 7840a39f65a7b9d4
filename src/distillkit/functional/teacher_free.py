"""A virtual teacher that knows the true class and nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distillkit.functional._logits import class_mask


def virtual_teacher(
    labels: Tensor, *, classes: int, correct_probability: float | Tensor, dtype: torch.dtype | None = None
) -> Tensor:
    """Logits whose softmax gives the true class one probability and shares the rest evenly.

    With a the probability, the true class's logit is log(a · (classes − 1) / (1 − a)) and the others' are 0.
    Any loss on logits may have them as its teacher.

    Args:
        labels: True classes, `[...]`, int64 in `[0, classes)`.
        classes: How many there are.
        correct_probability: a in (0, 1); above 1 / classes the true class is the likeliest.
        dtype: Of the result; torch's default where `None`.

    Returns:
        Logits, `[..., classes]`.

    Example:
        >>> import torch
        >>> virtual_teacher(torch.tensor([1]), classes=3, correct_probability=0.9).softmax(-1)
        tensor([[0.0500, 0.9000, 0.0500]])

    Reference:
        Yuan, Tay, Li, Wang, Feng, Revisiting Knowledge Distillation via Label Smoothing Regularization, CVPR
        2020.
    """
    if isinstance(correct_probability, Tensor):  # under a stack of students that differ in it
        odds: float | Tensor = correct_probability.logit()
    else:
        odds = math.log(correct_probability) - math.log1p(-correct_probability)
    # of one class alone the softmax is 1 whatever its logit
    gap = odds + math.log(max(classes - 1, 1))
    return class_mask(labels, classes).to(dtype or torch.get_default_dtype()) * gap
