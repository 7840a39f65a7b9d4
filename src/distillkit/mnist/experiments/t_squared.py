"""H9, T² (§2): what it does to the gradient of the soft targets, and the best weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from distillkit import metrics
from distillkit.losses import HardLabels, LogitMatching, SoftTargets, hinton
from distillkit.mnist.experiments.found import Found, predicted
from distillkit.mnist.experiments.gradients import TEMPERATURES, Gradient, GradientProbe
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together

HARD_LABEL_WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
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


def hard_weight_errors(
    teacher: nn.Module,
    recipe: Recipe,
    train: Cases,
    test: Cases,
    *,
    seed: int,
    epochs: int,
    temperature: float = 20.0,
    weights: Sequence[float] = HARD_LABEL_WEIGHTS,
) -> Found:
    """Students distilled with each weight of the hard labels, from 0 (soft targets alone) to 1 (labels).

    They start from the same initial values and see the cases in the same order.

    Args:
        teacher: The trained teacher.
        recipe: How the students are trained.
        train: What they learn from.
        test: What the errors are counted on; held-out training cases, if a weight is to be chosen by them.
        seed: Of initial values and order.
        epochs: Passes over `train`.
        temperature: T of the soft targets.
        weights: w of (1 − w) · soft + w · hard, each in [0, 1].

    Returns:
        `seed`, `temperature`, `cases`, `weights`, and by weight `test_errors` and `diverged`; and what each
        student predicts.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2: a considerably lower
        weight on the hard labels was best.
    """
    distillers = [
        recipe.distiller(
            loss=hinton(temperature, weight),
            seed=seed,
            updates=recipe.updates(len(train[1]), epochs),
            teacher=teacher,
        )
        for weight in weights
    ]
    divergences = train_together(distillers, train, recipe, epochs=epochs)
    said = [distiller.logits(test[0]) for distiller in distillers]
    numbers = {
        "seed": seed,
        "temperature": temperature,
        "cases": len(test[1]),
        "weights": [float(weight) for weight in weights],
        "test_errors": [metrics.test_errors(logits, test[1]) for logits in said],
        "diverged": [divergence is not None for divergence in divergences],
    }
    return Found(
        numbers, {f"{weight:g}": predicted(logits) for weight, logits in zip(weights, said, strict=True)}
    )


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
