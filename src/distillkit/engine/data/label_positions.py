"""Examples with a label at each of many positions, such as tokens or pixels, some of which do not count."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from distillkit.engine.checks import check_number
from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.typing import Outputs

_NOT_COUNTED = -100
"""The label that `torch.nn.functional.cross_entropy` leaves out, and data have for padding."""


def keep_labelled(
    student: Outputs, teacher: Outputs | None, labels: Tensor | None, weights: Tensor | None
) -> tuple[Outputs, Outputs | None, Tensor | None, Tensor | None]:
    """Both sides' logits, the labels and the weights where the label is not −100, a row a position.

    What each member of an `Ensemble` says is of logits too; other features stay whole. All is as it comes
    where an example has one label or none, and where shapes do not fit, which is found later.

    Raises:
        ConfigurationError: No label of the batch counts; or there are weights, but not one an example, or
            features that stay whole.
    """
    if labels is None or not _fit(labels, student.logits, None if teacher is None else teacher.logits):
        return student, teacher, labels, weights
    if weights is not None:
        check_number(weights, len(labels))
        _refuse_features(student, teacher)
        # each position has the weight of its example
        weights = weights.repeat_interleave(labels[0].numel())
    flat, places = _places(labels)
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


def cases(
    logits: Tensor, teacher_logits: Tensor | None, labels: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the cases to evaluate: one for each position whose label is not −100, as in `keep_labelled`."""
    if labels is None or not _fit(labels, logits, teacher_logits):
        return logits, teacher_logits, labels
    flat, places = _places(labels)
    return (
        _at(logits, places),
        None if teacher_logits is None else _at(teacher_logits, places),
        _rows(flat, places),
    )


def _fit(labels: Tensor, logits: Tensor, teacher_logits: Tensor | None) -> bool:
    """Whether there are many labels an example, and one for each of the answers."""
    alike = teacher_logits is None or teacher_logits.shape == logits.shape
    return labels.dim() > 1 and labels.shape == logits.shape[:-1] and alike


def _places(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The labels in a row, and where in it those stand that count."""
    flat = labels.flatten()
    return flat, (flat != _NOT_COUNTED).nonzero().squeeze(-1)


def _answers(side: Outputs, places: Tensor) -> Outputs:
    answers = replace(side, logits=_at(side.logits, places))
    if MEMBER_LOGITS not in side.features:
        return answers
    voices = side.features[MEMBER_LOGITS].movedim(1, -2).flatten(0, -3)
    return replace(answers, features={**side.features, MEMBER_LOGITS: _rows(voices, places)})


def _at(logits: Tensor, places: Tensor) -> Tensor:
    """`[batch, ..., classes]` to `[places, classes]`."""
    return _rows(logits.flatten(0, -2), places)


def _rows(flat: Tensor, places: Tensor) -> Tensor:
    return flat if len(places) == len(flat) else flat.index_select(0, places)


def _refuse_features(*sides: Outputs | None) -> None:
    if any(side is not None and side.features.keys() - {MEMBER_LOGITS} for side in sides):
        raise ConfigurationError(
            "The examples have weights and labels at many positions, and the loss looks at layers, which "
            "have no row for each position that a weight could go with: leave the weights out, or use "
            "losses on logits."
        )
