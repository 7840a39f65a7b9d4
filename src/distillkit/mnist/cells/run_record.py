"""The record of a run: a line of the results, and its predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distillkit import Evaluation
from distillkit.workbench import config_id


@dataclass(frozen=True)
class Kept:
    """A line of the results, and the predicted class of each test case."""

    line: dict[str, Any]
    predictions: NDArray[np.uint8]


def beside(
    line: Mapping[str, Any], config: Mapping[str, Any], evaluation: Evaluation, **changes: Any
) -> Kept:
    """A result that comes with a run and has no curve of its own.

    Args:
        line: The run's.
        config: The result's own configuration, with its name.
        evaluation: On the test cases.
        changes: What else differs from the run's line.
    """
    result = {
        **line,
        "id": config_id(config, line["seed"]),
        "name": config["name"],
        "config": config,
        **numbers_of(evaluation),
        "curve": None,
        **changes,
    }
    return Kept(result, as_bytes(evaluation.predictions))


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
