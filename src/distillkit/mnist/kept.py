"""What is kept of a run: a line of the results, and what it predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distillkit import Evaluation


@dataclass(frozen=True)
class Kept:
    """A line of the results, and the predicted class of each test case."""

    line: dict[str, Any]
    predictions: NDArray[np.uint8]


def numbers_of(evaluation: Evaluation) -> dict[str, Any]:
    """The metrics as plain data; one that is not a number (a diverged run's) is null."""
    return {
        name: None
        if isinstance(value, float) and not math.isfinite(value)
        else list(value)
        if isinstance(value, tuple)
        else round(value, 8)
        if isinstance(value, float)
        else value
        for name, value in evaluation.numbers().items()
    }


def as_bytes(predictions: Tensor) -> NDArray[np.uint8]:
    """Predicted classes, one byte a case."""
    result: NDArray[np.uint8] = predictions.numpy().astype(np.uint8)
    return result
