"""H9, T² (§2): what it does to the gradient of the soft targets, and the best weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from distillkit.losses import HardLabels, LogitMatching, SoftTargets
from distillkit.mnist.experiments.gradients import TEMPERATURES, Gradient, GradientProbe

_HIGH = 100.0


def gradient_norms(
    students: Mapping[str, nn.Module],
    teacher: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    temperatures: Sequence[float] = TEMPERATURES,
) -> dict[str, Any]:
    """How long the gradient of the soft targets is at each temperature, with T² and without.

    With respect to the logits it is the mean over the cases of the length of each case's own gradient; with
    respect to the weights, the length of the gradient of the mean loss. Everything is computed in float64.

    Args:
        students: By a name that the figure shows, e.g. one untrained and one trained.
        teacher: The trained teacher.
        inputs: `[cases, ...]`; a few hundred tell enough.
        labels: `[cases]`, int64.
        temperatures: Ascending, each > 0.

    Returns:
        `temperatures`, and of each student under `students`: `with_t_squared` and `without_t_squared`, each
        `{"logits": […], "weights": […]}` by temperature; `hard` and `limit`, the lengths for the hard labels
        and for matching logits; `slope`, of log length over log T from T = 100 on (where there are two such
        temperatures), about −2 without T² and 0 with it.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
        >>> found = gradient_norms({"new": student}, teacher, torch.randn(9, 4), torch.arange(9) % 3)
        >>> {name: round(slope["logits"], 2) for name, slope in found["students"]["new"]["slope"].items()}
        {'with_t_squared': -0.0, 'without_t_squared': -2.0}

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.
    """
    return {
        "temperatures": [float(temperature) for temperature in temperatures],
        "students": {
            name: _norms(GradientProbe(student, teacher, inputs, labels), temperatures)
            for name, student in students.items()
        },
    }


def _norms(probe: GradientProbe, temperatures: Sequence[float]) -> dict[str, Any]:
    lengths = [_lengths(probe.gradient(SoftTargets(temperature=each))) for each in temperatures]
    squares = [each**2 for each in temperatures]
    by_temperature = {
        # the loss of the library has T² in it
        "with_t_squared": {key: [one[key] for one in lengths] for key in ("logits", "weights")},
        "without_t_squared": {
            key: [one[key] / square for one, square in zip(lengths, squares, strict=True)]
            for key in ("logits", "weights")
        },
    }
    return {
        **by_temperature,
        "hard": _lengths(probe.gradient(HardLabels())),
        "limit": _lengths(probe.gradient(LogitMatching())),
        "slope": {
            name: {key: _slope(temperatures, values) for key, values in kinds.items()}
            for name, kinds in by_temperature.items()
        },
    }


def _lengths(gradient: Gradient) -> dict[str, float]:
    return {
        "logits": float(gradient.logits.norm(dim=-1).mean()),
        "weights": float(gradient.weights.norm()),
    }


def _slope(temperatures: Sequence[float], values: Sequence[float]) -> float | None:
    pairs = [(t, value) for t, value in zip(temperatures, values, strict=True) if t >= _HIGH]
    if len(pairs) < 2:
        return None
    logs = np.log(np.asarray(pairs))
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
