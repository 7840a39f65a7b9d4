"""Examples with a label at each of many positions, such as tokens or pixels, where −100 is no label."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from distillkit.engine.checks import check_number
from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.typing import Outputs

_NO_LABEL = -100
"""The label that `torch.nn.functional.cross_entropy` leaves out, and that data have for padding."""


def keep_labelled(
    student: Outputs, teacher: Outputs | None, labels: Tensor | None, weights: Tensor | None
) -> tuple[Outputs, Outputs | None, Tensor | None, Tensor | None]:
    """Return both sides' logits, the labels and the weights where the label is not −100, a row a position.

    The logits of an `Ensemble`'s members are selected in the same way; other features stay whole. Nothing
    changes where an example has one label or none, nor where shapes differ, which a later check refuses.

    Raises:
        ConfigurationError: All labels of the batch are −100; or there are weights, but not one an example, or
            with features that stay whole.
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
            f"All labels of a batch are {_NO_LABEL}, so there is nothing to learn from it: leave such "
            "examples out, or make batches larger."
        )
    return (
        _outputs_at(student, places),
        None if teacher is None else _outputs_at(teacher, places),
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
        _logits_at(logits, places),
        None if teacher_logits is None else _logits_at(teacher_logits, places),
        _rows(flat, places),
    )


def _fit(labels: Tensor, logits: Tensor, teacher_logits: Tensor | None) -> bool:
    """Whether examples have many labels, one for each row of logits."""
    same = teacher_logits is None or teacher_logits.shape == logits.shape
    return labels.dim() > 1 and labels.shape == logits.shape[:-1] and same


def _places(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flattened labels, and the places of those that are not −100."""
    flat = labels.flatten()
    return flat, (flat != _NO_LABEL).nonzero().squeeze(-1)


def _outputs_at(side: Outputs, places: Tensor) -> Outputs:
    outputs = replace(side, logits=_logits_at(side.logits, places))
    if MEMBER_LOGITS not in side.features:
        return outputs
    members = side.features[MEMBER_LOGITS].movedim(1, -2).flatten(0, -3)
    return replace(outputs, features={**side.features, MEMBER_LOGITS: _rows(members, places)})


def _logits_at(logits: Tensor, places: Tensor) -> Tensor:
    """Return `[places, classes]` of `[batch, ..., classes]`."""
    return _rows(logits.flatten(0, -2), places)


def _rows(flat: Tensor, places: Tensor) -> Tensor:
    return flat if len(places) == len(flat) else flat.index_select(0, places)


def _refuse_features(*sides: Outputs | None) -> None:
    if any(side is not None and side.features.keys() - {MEMBER_LOGITS} for side in sides):
        raise ConfigurationError(
            "The examples have weights and labels at many positions, and the loss uses layers, whose outputs "
            "have no row for each position to be weighted: leave the weights out, or use losses on logits."
        )
