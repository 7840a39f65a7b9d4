"""Distance of both sides' channels as two samples of patterns."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._features import as_maps, directions


def selectivity_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of the channels' patterns, averaged over the batch.

    Each channel's map as a vector at length 1 is one of a sample of patterns. With the kernel k(x, y) = ⟨x,
    y⟩², the squared discrepancy of an example's two samples is mean k(teacher, teacher) + mean k(student,
    student) − 2 · mean k(student, teacher), over all pairs.

    Args:
        student: Maps, `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps with any number of channels; where the heights and widths differ, both sides are
            averaged to the smaller.

    Returns:
        A scalar ≥ 0 up to rounding, in float32 or better; the order of the channels does not matter.

    Raises:
        ConfigurationError: They are no maps of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> selectivity_distance(student=3 * teacher.flip(1), teacher=teacher).item()
        0.0
        >>> selectivity_distance(student=teacher[:, :1], teacher=teacher).item()
        0.5

    Reference:
        Huang, Wang, Like What You Like: Knowledge Distill via Neuron Selectivity Transfer, 2017: squared MMD
        with the polynomial kernel, d = 2 and c = 0.
    """
    z, v = (directions(side.flatten(2)) for side in as_maps(student, teacher))
    # autocast would take the products in half precision
    with torch.autocast(z.device.type, enabled=False):
        within = [(side @ side.mT).square().mean(dim=(1, 2)) for side in (z, v)]
        between = (z @ v.mT).square().mean(dim=(1, 2))
    return (within[0] + within[1] - 2 * between).mean()
