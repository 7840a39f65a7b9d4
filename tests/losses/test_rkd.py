"""Distances and angles between examples against loops, and what leaves them as they are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import relational_angle, relational_distance
from distillkit.losses import RKD
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(5, n, generator=GENERATOR, dtype=torch.float64) for n in (3, 7))


def huber(difference: float) -> float:
    """At δ = 1."""
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def test_distances_equal_scipys() -> None:
    """Over their mean, by pairs of distinct examples."""
    both = []
    for side in (STUDENT, TEACHER):
        distances = cdist(side.numpy(), side.numpy())[~np.eye(5, dtype=bool)]
        both.append(distances / distances.mean())
    expected = np.mean([huber(a - b) for a, b in zip(*both, strict=True)])
    assert relational_distance(student=STUDENT, teacher=TEACHER).item() == pytest.approx(expected, rel=1e-12)


def angle(side: Tensor, i: int, j: int, k: int) -> float:
    """The cosine at j, by NumPy."""
    left, right = (side[i] - side[j]).numpy(), (side[k] - side[j]).numpy()
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def test_angles_equal_a_triple_loop() -> None:
    """By triples of distinct examples."""
    each = [huber(angle(STUDENT, *triple) - angle(TEACHER, *triple)) for triple in permutations(range(5), 3)]
    found = relational_angle(student=STUDENT, teacher=TEACHER).item()
    assert found == pytest.approx(sum(each) / len(each), rel=1e-9)


def test_moved_turned_and_scaled_examples_are_the_same() -> None:
    """Relations do not change under them; angles and distances are 0 apart."""
    turn = torch.linalg.qr(torch.randn(7, 7, generator=GENERATOR, dtype=torch.float64)).Q
    moved = 3 * TEACHER @ turn + 10
    assert relational_distance(student=moved, teacher=TEACHER).item() == pytest.approx(0, abs=1e-20)
    assert relational_angle(student=moved, teacher=TEACHER).item() == pytest.approx(0, abs=1e-20)


def test_coinciding_examples_have_no_angle() -> None:
    """Their cosine counts 0, with a finite gradient."""
    student = STUDENT.clone()
    student[1] = student[0]
    student.requires_grad_()
    value = relational_angle(student=student, teacher=TEACHER)
    value.backward()
    each = [
        huber((0 if {0, 1} in ({i, j}, {j, k}) else angle(student.detach(), i, j, k))
              - angle(TEACHER, i, j, k))
        for i, j, k in permutations(range(5), 3)
    ]  # fmt: skip
    assert value.item() == pytest.approx(sum(each) / len(each), rel=1e-9)
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("size", [1, 2])
def test_few_examples_have_no_relation(size: int) -> None:
    """One has no distance, two no angle: 0, with a gradient of 0."""
    student = STUDENT[:size].clone().requires_grad_()
    value = relational_angle(student=student, teacher=TEACHER[:size])
    value.backward()
    assert value.item() == 0
    assert relational_distance(student=STUDENT[:size], teacher=TEACHER[:size]).item() == 0


def test_weights_stand_before_their_parts() -> None:
    """λ_D and λ_A, of which one must be above 0."""

    def value(distance_weight: float, angle_weight: float) -> float:
        loss = RKD(layers={"s": "t"}, distance_weight=distance_weight, angle_weight=angle_weight)
        student, teacher = (
            Outputs(torch.zeros(5, 2), {name: one}) for name, one in (("s", STUDENT), ("t", TEACHER))
        )
        return loss(student=student, teacher=teacher, labels=None).item()

    distance = relational_distance(student=STUDENT, teacher=TEACHER).item()
    angles = relational_angle(student=STUDENT, teacher=TEACHER).item()
    assert value(2, 3) == pytest.approx(2 * distance + 3 * angles)
    assert value(2, 0) == pytest.approx(2 * distance)
    assert value(0, 3) == pytest.approx(3 * angles)
    with pytest.raises(ConfigurationError, match="Both weights of RKD are 0"):
        value(0, 0)
