"""How like its teacher a student is said to be is held against the predictions of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distillkit.mnist.verifying.likeness import check_likeness
from distillkit.mnist.verifying.outcome import VerifyOutcome

LABELS = np.zeros(1000, dtype=np.int64)
# the teacher errs in 100 cases; the student in 40 of these, as it does, in 10 otherwise, and in 25 more
TEACHER = np.where(np.arange(1000) < 100, 1, 0)
STUDENT = np.where(np.arange(1000) < 40, 1, 0) + np.where(
    (np.arange(1000) >= 90) & (np.arange(1000) < 125), 2, 0
)
TRUE = {"teacher_agreement": 0.915, "teacher_errors": 100, "shared_errors": 50}


def checked(teacher: Any = "t", **filed: Any) -> VerifyOutcome:
    """What is found of a student with these numbers."""
    results = [
        {"id": "t", "name": "teacher", "seed": 0, "config": {}, "teacher_agreement": None},
        {"id": "s", "name": "D30-T4", "seed": 0, "config": {"teacher": teacher}, **TRUE, **filed},
    ]
    outcome = VerifyOutcome()
    check_likeness(results, {"t": TEACHER, "s": STUDENT}, LABELS, outcome)
    return outcome


def test_true_numbers_hold() -> None:
    """And so do those that are not filed, of a corrected run, and of a teacher without predictions."""
    assert checked().problems == checked().notes == []
    assert checked(**dict.fromkeys(TRUE)).problems == []
    assert checked(teacher={"average": "logits"}, shared_errors=7).problems == []


@pytest.mark.parametrize("key", TRUE)
def test_others_are_named(key: str) -> None:
    """A few cases may be those of another machine, which is noted."""

    def off_by(cases: int) -> VerifyOutcome:
        return checked(**{key: TRUE[key] + (cases / 1000 if key == "teacher_agreement" else cases)})

    (note,) = off_by(3).notes
    assert f"D30-T4 seed 0, {key}: expected" in note
    assert "another machine" in note
    assert off_by(3).problems == []
    (problem,) = off_by(20).problems
    count = 915 if key == "teacher_agreement" else TRUE[key]
    assert problem.endswith(f"{key}: expected {count} cases (recomputed) but it says {count + 20}.")
