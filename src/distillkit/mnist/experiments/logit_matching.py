"""H10, matching logits as the limit of a high temperature (§2.1): the gradients, and the students."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distillkit import metrics
from distillkit.losses import LogitMatching, SoftTargets
from distillkit.mnist.experiments.found import Found, predicted
from distillkit.mnist.experiments.gradients import TEMPERATURES, GradientProbe
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.typing import Labels, LossFn, Outputs

STUDENT_TEMPERATURES = (1.0, 2.0, 5.0, 20.0, 100.0, 1000.0)
"""At which students are trained."""
_TWIN = 1000
"""What is added to the seed for another student of the same loss: how far apart chance alone sets two."""


def uncentred_logit_matching(*, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
    """Half the squared difference of the uncentred logits over the number of classes, a mean over the cases.

    `LogitMatching` takes each case's mean logit off first, on both sides; no softmax sees that mean.

    Args:
        student: Logits, `[cases, classes]`.
        teacher: Logits of the same shape.
        labels: Not looked at.

    Example:
        >>> student, teacher = Outputs(torch.tensor([[1.0, 1.0]])), Outputs(torch.tensor([[0.0, 0.0]]))
        >>> uncentred_logit_matching(student=student, teacher=teacher, labels=None).item()
        0.5
    """
    assert teacher is not None  # noqa: S101 - whoever trains with it gives one
    precise = torch.promote_types(teacher.logits.dtype, torch.float32)
    return (student.logits - teacher.logits.to(precise)).square().mean() / 2


def gradient_distances(
    students: Mapping[str, nn.Module],
    teacher: nn.Module,
    inputs: Tensor,
    temperatures: Sequence[float] = TEMPERATURES,
) -> dict[str, Any]:
    """How far the gradient of the soft targets at each T is from that of matching logits, in float64.

    Once with the logits centred case by case, as §2.1 assumes them, and once as they are. The gradient of any
    softmax adds up to 0 over the classes, so from the uncentred one it stays away by what that has along
    (1, …, 1), whatever the temperature.

    Args:
        students: By a name that the figure shows, e.g. one untrained and one trained.
        teacher: The trained teacher.
        inputs: `[cases, ...]`; a few hundred tell enough.
        temperatures: Each > 0.

    Returns:
        `temperatures`, and of each student under `students`: `centred` and `uncentred`, each with respect to
        `logits` and to `weights`, by temperature `relative_l2` = ‖g_T − g‖ / ‖g‖ and `cosine`; and `floor`,
        the relative distance with respect to the logits that is left at T = ∞ from the uncentred gradient.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
        >>> found = gradient_distances({"new": student}, teacher, torch.randn(9, 4), (1, 1000))
        >>> [f"{distance:.0e}" for distance in found["students"]["new"]["centred"]["logits"]["relative_l2"]]
        ['2e-01', '4e-04']

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.1.
    """
    return {
        "temperatures": [float(temperature) for temperature in temperatures],
        "students": {
            name: _from_the_limits(GradientProbe(student, teacher, inputs), temperatures)
            for name, student in students.items()
        },
    }


def student_distances(
    teacher: nn.Module,
    recipe: Recipe,
    train: Cases,
    test: Cases,
    *,
    seed: int,
    epochs: int,
    temperatures: Sequence[float] = STUDENT_TEMPERATURES,
) -> Found:
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
    return Found(
        {"seed": seed, "cases": len(test[1]), "students": students},
        {name: predicted(own) for name, own in zip(students, logits, strict=True)},
    )


def _from_the_limits(probe: GradientProbe, temperatures: Sequence[float]) -> dict[str, Any]:
    soft = [probe.gradient(SoftTargets(temperature=each)) for each in temperatures]
    limits = {
        "centred": probe.gradient(LogitMatching()),
        "uncentred": probe.gradient(uncentred_logit_matching),
    }
    difference = probe.student_logits.detach() - probe.teacher_logits
    along_ones = difference.mean(dim=-1, keepdim=True).expand_as(difference)
    return {
        **{
            name: {
                "logits": _distances([one.logits for one in soft], limit.logits),
                "weights": _distances([one.weights for one in soft], limit.weights),
            }
            for name, limit in limits.items()
        },
        "floor": float(along_ones.norm() / difference.norm()),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # of a student that diverged


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(dim=-1, keepdim=True)


def _distances(gradients: Sequence[Tensor], limit: Tensor) -> dict[str, list[float]]:
    return {
        "relative_l2": [float((one - limit).norm() / limit.norm()) for one in gradients],
        "cosine": [
            float(torch.cosine_similarity(one.flatten(), limit.flatten(), dim=0)) for one in gradients
        ],
    }
