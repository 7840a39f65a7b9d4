"""Maps from a student's feature to the channels of a teacher's."""

from __future__ import annotations

from torch import Size, Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional._features import as_maps


def regressor(student: Size, teacher: Size) -> nn.Module:
    """A linear map from the student's channels to the teacher's.

    Of maps, `[batch, channels, height, width]`, a 1 × 1 convolution; of `[batch, numbers]` and
    `[batch, tokens, numbers]` a linear layer on the last dimension.

    Raises:
        ConfigurationError: The shapes are not of one kind.
    """
    if len(student) == len(teacher) == 4:
        return nn.Conv2d(student[1], teacher[1], kernel_size=1)
    if len(student) == len(teacher) and len(student) in {2, 3}:
        return nn.Linear(student[-1], teacher[-1])
    raise ConfigurationError(
        "Features that are compared number by number must be of one kind ([batch, numbers], [batch, tokens, "
        f"numbers] or [batch, channels, height, width]); got {list(student)} of the student and "
        f"{list(teacher)} of the teacher: name other layers."
    )


def of_one_size(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Maps averaged to the smaller of both sizes; all else as it is."""
    return as_maps(student, teacher) if student.dim() == teacher.dim() == 4 else (student, teacher)
