"""Where a layer is active, on both sides."""

from __future__ import annotations

from torch import Tensor

from distillkit.functional._features import as_maps, directions


def attention_distance(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of attention maps, each at length 1.

    A layer's attention is Σ_c A_c², a map; as a vector Q at length 1, the loss is the mean of (Q_S − Q_T)²
    over positions and batch. How many channels there are does not matter, and neither does a factor.

    Args:
        student: Maps, `[batch, channels, height, width]`; gradients flow into them.
        teacher: Maps with any number of channels; where the heights and widths differ, both sides are
            averaged to the smaller.

    Returns:
        A scalar in [0, 4 / positions], in float32 or better.

    Raises:
        ConfigurationError: They are no maps of the same examples.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[3.0, 4.0]]]])
        >>> attention_distance(student=-2 * teacher, teacher=teacher).item()
        0.0
        >>> round(attention_distance(student=teacher.flip(-1), teacher=teacher).item(), 4)
        0.1454

    Reference:
        Zagoruyko, Komodakis, Paying More Attention to Attention, ICLR 2017: activation-based attention
        transfer. Eq. 2 there has the distance itself; squares and their mean are as in the authors' code.
    """
    student, teacher = as_maps(student, teacher)
    of_student = directions(student.square().sum(dim=1).flatten(1))
    of_teacher = directions(teacher.square().sum(dim=1).flatten(1))
    return (of_student - of_teacher).square().mean()
