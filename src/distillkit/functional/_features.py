"""The features of layers, brought into the forms that are compared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32


def as_rows(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides as `[batch, numbers]`, in float32 or better; their numbers may be of two counts.

    Raises:
        ConfigurationError: They are not of the same examples.
    """
    refuse_other_examples(student, teacher)
    return at_least_float32(student).flatten(1), at_least_float32(teacher).flatten(1)


def refuse_other_examples(student: Tensor, teacher: Tensor) -> None:
    """Refuse features that are not `[batch, ...]` of the same examples.

    Raises:
        ConfigurationError: Names both shapes.
    """
    if student.dim() < 2 or teacher.dim() < 2 or len(student) != len(teacher):
        raise ConfigurationError(
            "Features of both sides need one row an example, of the same examples; got "
            f"{list(student.shape)} and {list(teacher.shape)}."
        )


def as_maps(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides as maps of one size, `[batch, channels, height, width]`, in float32 or better.

    Where the sizes differ, both are averaged to the smaller one (adaptive average pooling). The channels may
    be of two counts.

    Raises:
        ConfigurationError: They are no such maps, or not of the same examples.
    """
    refuse_no_maps(student, teacher)
    height = min(student.shape[2], teacher.shape[2])
    width = min(student.shape[3], teacher.shape[3])
    return to_size(at_least_float32(student), height, width), to_size(
        at_least_float32(teacher), height, width
    )


def refuse_no_maps(student: Tensor, teacher: Tensor) -> None:
    """Refuse what is not `[batch, channels, height, width]` of the same examples.

    Raises:
        ConfigurationError: Names both shapes.
    """
    if student.dim() != 4 or teacher.dim() != 4 or len(student) != len(teacher):
        raise ConfigurationError(
            "This loss needs maps of both sides, [batch, channels, height, width] of the same examples; got "
            f"{list(student.shape)} and {list(teacher.shape)}: name layers that give maps."
        )


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps averaged to a size; as they are where they have it."""
    if tuple(maps.shape[-2:]) == (height, width):
        return maps
    return F.adaptive_avg_pool2d(maps, (height, width))


def refuse_other_channels(student: Tensor, teacher: Tensor) -> None:
    """Refuse two counts of channels where they are compared one by one.

    Raises:
        ConfigurationError: Names both.
    """
    if student.shape[1] != teacher.shape[1]:
        raise ConfigurationError(
            f"Student and teacher need equally many channels here, got {student.shape[1]} and "
            f"{teacher.shape[1]}: name layers that have, or use a loss with adapters."
        )


def directions(rows: Tensor) -> Tensor:
    """Vectors in the last dimension at length 1; one of length 0 stays."""
    return F.normalize(rows, dim=-1)
