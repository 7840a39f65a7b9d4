"""Errors of students by the weight of the hard labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from distillkit import metrics
from distillkit.losses import hinton
from distillkit.mnist.experiments.measured import Measured, predicted
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together

HARD_LABEL_WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


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
) -> Measured:
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
    return Measured(
        numbers, {f"{weight:g}": predicted(logits) for weight, logits in zip(weights, said, strict=True)}
    )
