"""H10, matching logits as the limit of a high temperature (§2.1): the gradients, and the students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.losses import LogitMatching, SoftTargets
from distillkit.mnist.experiments.gradients import TEMPERATURES, GradientProbe
from distillkit.typing import Labels, Outputs


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


def _distances(gradients: Sequence[Tensor], limit: Tensor) -> dict[str, list[float]]:
    return {
        "relative_l2": [float((one - limit).norm() / limit.norm()) for one in gradients],
        "cosine": [
            float(torch.cosine_similarity(one.flatten(), limit.flatten(), dim=0)) for one in gradients
        ],
    }
