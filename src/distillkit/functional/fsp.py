"""How one layer leads to another, on both sides."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._features import to_size
from distillkit.functional._logits import at_least_float32


def flow_distance(*, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Squared distance of the products of two layers' channels, averaged over the batch.

    The flow from a layer A to a layer B is G_ij = Σ over positions of A_i · B_j, over their number: a matrix
    of A's by B's channels. The loss is the mean over the batch of ‖G_T − G_S‖². Maps of two sizes are
    averaged to the smaller one within each side.

    Args:
        student: Maps of two layers, each `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps of its two layers, with the same numbers of channels.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: They are no such maps of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3)
        >>> flow_distance(student=(teacher[0], 2 * teacher[1]), teacher=teacher).item()
        2.0

    Reference:
        Yim, Joo, Bae, Kim, A Gift from Knowledge Distillation, CVPR 2017: the FSP matrix and its loss.
    """
    for of_student, of_teacher in zip(student, teacher, strict=True):
        if of_student.dim() != 4 or of_teacher.dim() != 4 or of_student.shape[:2] != of_teacher.shape[:2]:
            raise ConfigurationError(
                "Flows need maps of both sides, [batch, channels, height, width] with equally many channels; "
                f"got {list(of_student.shape)} and {list(of_teacher.shape)}: name layers that have."
            )
    return (_flow(*student) - _flow(*teacher)).square().sum(dim=(1, 2)).mean()


def _flow(first: Tensor, second: Tensor) -> Tensor:
    height = min(first.shape[2], second.shape[2])
    width = min(first.shape[3], second.shape[3])
    one, other = (to_size(at_least_float32(maps), height, width).flatten(2) for maps in (first, second))
    # autocast would take the products in half precision
    with torch.autocast(one.device.type, enabled=False):
        return one @ other.mT / (height * width)
