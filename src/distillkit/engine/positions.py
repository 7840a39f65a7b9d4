"""Examples with a label at each of many positions, such as tokens or pixels, some of which do not count."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.typing import Outputs

_NOT_COUNTED = -100
"""What `torch.nn.functional.cross_entropy` leaves out, and data have for padding."""


def counted(
    student: Outputs, teacher: Outputs | None, labels: Tensor | None
) -> tuple[Outputs, Outputs | None, Tensor | None]:
    """Both sides' logits and the labels where the label is not −100, `[rows, classes]` and `[rows]`.

    As they come where an example has one label or none, and where shapes do not fit, which is found later.

    Raises:
        ConfigurationError: No label of the batch counts.
    """
    if labels is None or labels.dim() < 2 or labels.shape != student.logits.shape[:-1]:
        return student, teacher, labels
    if teacher is not None and teacher.logits.shape != student.logits.shape:
        return student, teacher, labels
    flat = labels.flatten()
    places = (flat != _NOT_COUNTED).nonzero().squeeze(-1)
    if not len(places):
        raise ConfigurationError(
            f"All labels of a batch are {_NOT_COUNTED}, so there is nothing to learn from it: leave such "
            "examples out, or make batches larger."
        )
    return (
        _rows(student, places),
        None if teacher is None else _rows(teacher, places),
        flat if len(places) == len(flat) else flat[places],
    )


def _rows(side: Outputs, places: Tensor) -> Outputs:
    flat = side.logits.flatten(0, -2)
    return replace(side, logits=flat if len(places) == len(flat) else flat.index_select(0, places))
