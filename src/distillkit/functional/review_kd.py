"""Squared distance of maps, and of what is left of them on coarser and coarser grids."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import as_maps, refuse_other_channels, to_size

_GRIDS = (4, 2, 1)


def hierarchical_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of maps as they are and averaged to 4 × 4, 2 × 2 and 1 × 1, as a weighted mean.

    The weights halve from level to level: 1 for the maps, 1/2, 1/4 and 1/8, over their sum. Grids that are no
    coarser than the maps are left out.

    Args:
        student: Maps, `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps with the same number of channels; where the heights and widths differ, both sides are
            averaged to the smaller.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: They are no maps of the same examples with equally many channels.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])
        >>> round(hierarchical_distance(student=0 * teacher, teacher=teacher).item(), 4)  # (5 + 4/2) / 1.5
        4.6667

    Reference:
        Chen, Liu, Zhao, Jia, Distilling Knowledge via Knowledge Review, CVPR 2021, §3.3: hierarchical context
        loss.
    """
    z, v = as_maps(student, teacher)
    refuse_other_channels(z, v)
    height, width = z.shape[-2:]
    sizes = [(height, width), *((n, n) for n in _GRIDS if n < min(height, width))]
    weights = [0.5**level for level in range(len(sizes))]
    each = [
        weight * (to_size(z, *size) - to_size(v, *size)).square().mean()
        for weight, size in zip(weights, sizes, strict=True)
    ]
    return torch.stack(each).sum() / sum(weights)
