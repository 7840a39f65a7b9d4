"""Squared distance of features, without what a ReLU would take away on both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import as_maps, refuse_other_channels


def margin_distance(*, student: Tensor, teacher: Tensor, margin: Tensor) -> Tensor:
    """Mean squared distance from the teacher's features above a margin, where these or the student's matter.

    With t = max(teacher, m) and s the student's: 0 where s ≤ t ≤ 0, (t − s)² elsewhere; the mean over all
    numbers and the batch. Both are features before their ReLU. A student that is below a negative target is
    let be, since the ReLU makes 0 of both.

    Args:
        student: Maps, `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps with the same number of channels; where the heights and widths differ, both sides are
            averaged to the smaller.
        margin: m ≤ 0 of each channel, `[channels]`.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: They are no maps of the same examples with equally many channels.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[2.0, -5.0, -5.0, -0.5]]]])
        >>> student = torch.tensor([[[[1.0, -3.0, 1.0, -0.1]]]])
        >>> round(margin_distance(student=student, teacher=teacher, margin=torch.tensor([-1.0])).item(), 4)
        1.29

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi, A Comprehensive Overhaul of Feature Distillation, ICCV 2019:
        margin ReLU and partial L2 distance.
    """
    s, t = as_maps(student, teacher)
    refuse_other_channels(s, t)
    t = torch.maximum(t, margin.to(t.dtype)[:, None, None])
    counts = (s > t) | (t > 0)
    return torch.where(counts, (t - s).square(), 0.0).mean()
