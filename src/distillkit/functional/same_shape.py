"""Two sides' logits are compared number by number, so they have one shape."""

from __future__ import annotations

from torch import Tensor

from distillkit.errors import ConfigurationError


def refuse_other_shape(student: Tensor, teacher: Tensor) -> None:
    """Refuse logits of two shapes, which torch would stretch over each other without a word.

    Raises:
        ConfigurationError: Names both shapes.
    """
    if student.shape != teacher.shape:
        raise ConfigurationError(
            f"Student and teacher need logits of one shape, got {list(student.shape)} and "
            f"{list(teacher.shape)}: give both the same examples and the same classes."
        )
