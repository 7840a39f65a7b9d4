"""How channels are correlated with each other, on both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import directions, refuse_no_maps, refuse_other_channels
from distillkit.functional._logits import at_least_float32


def channel_correlation_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of the channels' correlations with each other.

    With each channel's map as a vector, G_ij = ⟨channel i, channel j⟩, a matrix of channels by channels for
    each example, whose rows are brought to length 1; the mean of (G_S − G_T)² over its numbers and the batch.

    Args:
        student: Maps, `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps with the same number of channels, of any height and width.

    Returns:
        A scalar in [0, 4 / channels], in float32 or better.

    Raises:
        ConfigurationError: They are no maps of the same examples with equally many channels.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> student = torch.ones(1, 2, 1, 2)
        >>> round(channel_correlation_distance(student=student, teacher=teacher).item(), 4)  # 1 − 1/√2
        0.2929

    Reference:
        Liu, Huang, Lin, Xie, Wang, Chang, Liang, Exploring Inter-Channel Correlation for Diversity-Preserved
        Knowledge Distillation, ICCV 2021; the rows at length 1 are from the authors' code.
    """
    refuse_no_maps(student, teacher)
    refuse_other_channels(student, teacher)
    return (_correlations(student) - _correlations(teacher)).square().mean()


def _correlations(maps: Tensor) -> Tensor:
    channels = at_least_float32(maps).flatten(2)
    # autocast would take the products in half precision
    with torch.autocast(maps.device.type, enabled=False):
        return directions(channels @ channels.mT)
