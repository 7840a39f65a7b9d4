"""How far students of soft targets end from one that matches logits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from distillkit import metrics
from distillkit.losses import LogitMatching, SoftTargets
from distillkit.mnist.experiments.logit_matching.measure import uncentred_logit_matching
from distillkit.mnist.experiments.measured import Measured, predicted
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.typing import LossFn

STUDENT_TEMPERATURES = (1.0, 2.0, 5.0, 20.0, 100.0, 1000.0)
"""At which students are trained."""


_TWIN = 1000
"""The number added to the seed for another student of the same loss: how far apart chance alone sets two."""


def student_distances(
    teacher: nn.Module,
    recipe: Recipe,
    train: Cases,
    test: Cases,
    *,
    seed: int,
    epochs: int,
    temperatures: Sequence[float] = STUDENT_TEMPERATURES,
) -> Measured:
    """How far students of soft targets at each T end from one that matches logits, no labels used.

    All start from the same initial values and see the cases in the same order; but for the `twin`, which
    matches logits too, from others and in another, and says what distance means nothing.

    Args:
        teacher: The trained teacher.
        recipe: How the students are trained.
        train: What they learn from.
        test: Where they are compared.
        seed: Of initial values and order.
        epochs: Passes over `train`.
        temperatures: Each > 0.

    Returns:
        `seed`, `cases`, and `students`: by name (`T=…`, `uncentred`, `twin`, and `matching`, which the others
        are compared with) `temperature` or null, `test_errors`, `agreement` in [0, 1], `kl`
        = KL(matching ‖ it) at T = 1 in nats, `relative_l2` of the centred logits, and `diverged`; and what
        each student predicts.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.1.
    """
    matching = LogitMatching()
    planned: list[tuple[str, float | None, LossFn, int]] = [
        ("matching", None, matching, seed),
        *((f"T={each:g}", each, SoftTargets(temperature=each), seed) for each in temperatures),
        ("uncentred", None, uncentred_logit_matching, seed),
        ("twin", None, matching, seed + _TWIN),
    ]
    updates = recipe.updates(len(train[1]), epochs)
    distillers = [
        recipe.distiller(loss=loss, seed=its_seed, updates=updates, teacher=teacher)
        for _, _, loss, its_seed in planned
    ]
    divergences = train_together(distillers, train, recipe, epochs=epochs)
    logits = [distiller.logits(test[0]) for distiller in distillers]
    centre = _centred(logits[0])
    students = {
        name: {
            "temperature": temperature,
            "test_errors": metrics.test_errors(own, test[1]),
            "agreement": metrics.teacher_agreement(own, logits[0]),
            "kl": _finite(metrics.teacher_kl(own, logits[0])),
            "relative_l2": _finite(float((_centred(own) - centre).norm() / centre.norm())),
            "diverged": divergence is not None,
        }
        for (name, temperature, _, _), own, divergence in zip(planned, logits, divergences, strict=True)
    }
    return Measured(
        {"seed": seed, "cases": len(test[1]), "students": students},
        {name: predicted(own) for name, own in zip(students, logits, strict=True)},
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # of a student that diverged


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(dim=-1, keepdim=True)
