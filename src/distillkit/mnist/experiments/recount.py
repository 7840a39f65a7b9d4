"""The error counts of the experiments once more, from the predictions that were kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predictions = Mapping[str, NDArray[np.integer[Any]]]
Labels = NDArray[np.integer[Any]]
HELD_OUT_LABELS = "held-out-labels"
_HELD_OUT = "-held-out"


def recount(name: str, found: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
    """What an experiment found, with every count of errors made anew.

    Args:
        name: Of the experiment.
        found: Its numbers, as they were filed.
        predictions: Name -> classes; of the parts of little-data, `[looks, cases]`.
        labels: True classes of the test cases.

    Returns:
        The same as `found` where every count holds; as it is where the experiment counts no errors.

    Raises:
        KeyError: The predictions of a network are missing.
        IndexError: There are fewer of them than counts.

    Example:
        >>> found = {"weights": [0.0, 1.0], "test_errors": [9, 9]}
        >>> said = {"0": np.array([1, 2, 3]), "1": np.array([1, 2, 4])}
        >>> recount("hard-weight", found, said, np.array([1, 2, 3]))["test_errors"]
        [0, 1]
    """
    return _RECOUNT[name](found, predictions, labels) if name in _RECOUNT else dict(found)


def counts_errors(name: str) -> bool:
    """Whether an experiment counts errors, so that there must be predictions of it."""
    return name in _RECOUNT


def part(fraction: float, targets: str) -> str:
    """The name under which little-data keeps the predictions of a student, one row a look.

    Example:
        >>> part(0.03, "soft")
        '0.03-soft'
    """
    return f"{fraction:g}-{targets}"


def held_out_of(student: str) -> str:
    """The name under which little-data keeps what a student says of the held-out cases."""
    return f"{student}{_HELD_OUT}"


def _hard_weight(found: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
    return {
        **found,
        "test_errors": [_errors(predictions[f"{weight:g}"], labels) for weight in found["weights"]],
    }


def _students(found: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
    return {
        **found,
        "students": {
            name: {
                **student,
                "test_errors": _errors(predictions[name], labels),
                "agreement": float((predictions[name] == predictions["matching"]).mean()),
            }
            for name, student in found["students"].items()
        },
    }


def _little_data(found: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
    students = []
    for student in found["students"]:
        name = part(student["fraction"], student["targets"])
        errors = [_errors(look, labels) for look in predictions[name]]
        held_out = [_errors(look, predictions[HELD_OUT_LABELS]) for look in predictions[held_out_of(name)]]
        best = int(np.argmin(held_out)) if held_out else None
        students.append(
            {
                **student,
                "test_errors": errors,
                "held_out_errors": held_out,
                "last": errors[-1] if errors else None,
                "best": None if best is None else errors[best],
                "best_updates": None if best is None else student["updates"][best],
            }
        )
    return {**found, "teacher_errors": _errors(predictions["teacher"], labels), "students": students}


def _specialists(found: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
    groups = []
    for group in found["groups"]:
        # a specialist is asked where the generalist's best class is special to it
        asked = np.isin(predictions["generalist"], group["classes"])
        groups.append(
            {
                **group,
                "asked": int(asked.sum()),
                "generalist_errors": _errors(predictions["generalist"][asked], labels[asked]),
                "panel_errors": _errors(predictions["panel"][asked], labels[asked]),
            }
        )
    errors = {name: _errors(predictions[name], labels) for name in found["test_errors"]}
    return {**found, "groups": groups, "test_errors": errors}


def _errors(classes: NDArray[np.integer[Any]], labels: Labels) -> int:
    return int((classes != labels).sum())


_RECOUNT: Mapping[str, Callable[[Mapping[str, Any], Predictions, Labels], dict[str, Any]]] = {
    "hard-weight": _hard_weight,
    "logit-matching-students": _students,
    "little-data": _little_data,
    "specialists": _specialists,
}
