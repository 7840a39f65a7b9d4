"""Correlations under the kernel against a loop, and against the kernel itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from distillkit.functional import correlation_distance

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(5, n, generator=GENERATOR, dtype=torch.float64) for n in (3, 7))


def directions(side: torch.Tensor) -> np.ndarray:
    """Rows at length 1."""
    rows = side.numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("gamma", "order"), [(0.4, 2), (1.0, 1), (0.2, 4)])
def test_equals_a_loop(gamma: float, order: int) -> None:
    """Each number of the series, each pair of examples."""
    total = 0.0
    student, teacher = directions(STUDENT), directions(TEACHER)
    for i in range(5):
        for j in range(5):
            series = [
                sum(
                    math.exp(-2 * gamma)
                    * (2 * gamma) ** p
                    / math.factorial(p)
                    * float(side[i] @ side[j]) ** p
                    for p in range(order + 1)
                )
                for side in (student, teacher)
            ]
            total += (series[0] - series[1]) ** 2
    found = correlation_distance(student=STUDENT, teacher=TEACHER, gamma=gamma, order=order).item()
    assert found == pytest.approx(total / 25, rel=1e-10)


def test_a_long_series_is_the_gaussian_kernel() -> None:
    """e^(−γ‖x − y‖²) of directions, by NumPy."""
    kernels = []
    for side in (directions(STUDENT), directions(TEACHER)):
        squares = ((side[:, None] - side[None]) ** 2).sum(-1)
        kernels.append(np.exp(-0.4 * squares))
    expected = ((kernels[0] - kernels[1]) ** 2).mean()
    found = correlation_distance(student=STUDENT, teacher=TEACHER, gamma=0.4, order=20).item()
    assert found == pytest.approx(expected, rel=1e-10)


def test_turned_and_scaled_features_are_the_same() -> None:
    """The kernel is of directions, whatever the axes."""
    turn = torch.linalg.qr(torch.randn(7, 7, generator=GENERATOR, dtype=torch.float64)).Q
    found = correlation_distance(student=5 * TEACHER @ turn, teacher=TEACHER, gamma=0.4, order=2)
    assert found.item() == pytest.approx(0, abs=1e-28)
