"""Examples with a label at each of many positions, such as tokens or pixels, some of which do not count."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from distillkit.engine.example_weights import check_number
from distillkit.errors import ConfigurationError
from distillkit.typing import Outputs

_NOT_COUNTED = -100
"""What `torch.nn.functional.cross_entropy` leaves out, and data have for padding."""


def counted(
    student: Outputs, teacher: Outputs | None, labels: Tensor | None, weights: Tensor | None
) -> tuple[Outputs, Outputs | None, Tensor | None, Tensor | None]:
    """Both sides' logits, the labels and the weights where the label is not −100, a row a position.

    As they come where an example has one label or none, and where shapes do not fit, which is found later.

    Raises:
        ConfigurationError: No label of the batch counts; or there are weights, but not one an example, or
            features, which stay whole.
    """
    if labels is None or labels.dim() < 2 or labels.shape != student.logits.shape[:-1]:
        return student, teacher, labels, weights
    if teacher is not None and teacher.logits.shape != student.logits.shape:
        return student, teacher, labels, weights
    if weights is not None:
        check_number(weights, len(labels))
        _refuse_features(student, teacher)
        # each position has the weight of its example
        weights = weights.repeat_interleave(labels[0].numel())
    flat = labels.flatten()
    places = (flat != _NOT_COUNTED).nonzero().squeeze(-1)
    if not len(places):
        raise ConfigurationError(
            f"All labels of a batch are {_NOT_COUNTED}, so there is nothing to learn from it: leave such "
            "examples out, or make batches larger."
        )
    return (
        _answers(student, places),
        None if teacher is None else _answers(teacher, places),
        _rows(flat, places),
        None if weights is None else _rows(weights, places),
    )


def _answers(side: Outputs, places: Tensor) -> Outputs:
    return replace(side, logits=_rows(side.logits.flatten(0, -2), places))


def _rows(flat: Tensor, places: Tensor) -> Tensor:
    return flat if len(places) == len(flat) else flat.index_select(0, places)


def _refuse_features(*sides: Outputs | None) -> None:
    if any(side is not None and side.features for side in sides):
        raise ConfigurationError(
            "The examples have weights and labels at many positions, and the loss looks at layers, which "
            "have no row for each position that a weight could go with: leave the weights out, or use "
            "losses on logits."
        )
