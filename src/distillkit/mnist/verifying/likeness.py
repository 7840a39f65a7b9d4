"""Check how like its teacher a student is said to be, from the predictions of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.verifying.outcome import VerifyOutcome
from distillkit.workbench.results.store import RESULTS

_BY_ROUNDING = 5
"""Cases: a teacher that was moved to another machine may answer so few otherwise, where two classes tie."""


def check_likeness(
    results: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, NDArray[np.integer[Any]]],
    labels: NDArray[np.integer[Any]],
    outcome: VerifyOutcome,
) -> None:
    """Recompute agreement with the teacher, its errors, and those of both.

    Only where one network teaches, and its own run is in the folder: of an ensemble no predictions are kept.

    Args:
        results: as filed.
        predictions: by the id of the run, int [cases].
        labels: int [cases].
        outcome: gets what does not hold, and a note where rounding may explain it.
    """
    for result in results:
        student, teacher = (
            predictions.get(str(run)) for run in (result["id"], result["config"].get("teacher"))
        )
        if student is None or teacher is None:
            continue
        counts = {
            "teacher_agreement": int((student == teacher).sum()),
            "teacher_errors": int((teacher != labels).sum()),
            "shared_errors": int(((student != labels) & (teacher != labels)).sum()),
        }
        for key, count in counts.items():
            came = result.get(key)
            if came is None:  # of a corrected run none is filed
                continue
            filed = came * len(labels) if key == "teacher_agreement" else came
            _compare(f"{RESULTS}, {result['name']} seed {result['seed']}, {key}", count, filed, outcome)


def _compare(where: str, count: int, filed: float, outcome: VerifyOutcome) -> None:
    apart = abs(count - round(filed))
    if not apart:
        return
    sentence = f"{where}: expected {count} cases (recomputed) but it says {round(filed)}"
    if apart <= _BY_ROUNDING:
        outcome.notes.append(f"{sentence}; the teacher may have answered on another machine.")
    else:
        outcome.problems.append(f"{sentence}.")
