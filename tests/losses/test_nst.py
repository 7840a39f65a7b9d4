"""The discrepancy of channel patterns against loops, and what leaves it as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distillkit.functional import selectivity_distance

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(4, n, 2, 3, generator=GENERATOR, dtype=torch.float64) for n in (2, 5))


def patterns(example: torch.Tensor) -> list[np.ndarray]:
    """The channels as vectors at length 1."""
    return [one / np.linalg.norm(one) for one in example.flatten(1).numpy()]


def kernel(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    """The mean of ⟨x, y⟩² over all pairs."""
    return float(np.mean([(x @ y) ** 2 for x in left for y in right]))


def test_equals_loops() -> None:
    """Within both, less twice between; averaged over the batch."""
    each = []
    for one, other in zip(STUDENT, TEACHER, strict=True):
        s, t = patterns(one), patterns(other)
        each.append(kernel(t, t) + kernel(s, s) - 2 * kernel(s, t))
    found = selectivity_distance(student=STUDENT, teacher=TEACHER).item()
    assert found == pytest.approx(np.mean(each), rel=1e-10)


def test_it_is_the_distance_of_two_means() -> None:
    """Of x xᵀ, whose product is the kernel: so it is never negative."""
    each = []
    for one, other in zip(STUDENT, TEACHER, strict=True):
        means = [np.mean([np.outer(x, x) for x in patterns(side)], axis=0) for side in (one, other)]
        each.append(np.linalg.norm(means[0] - means[1], "fro") ** 2)
    found = selectivity_distance(student=STUDENT, teacher=TEACHER).item()
    assert found == pytest.approx(np.mean(each), rel=1e-10)


def test_order_number_and_factors_of_channels_change_nothing() -> None:
    """Two copies of each pattern, in another order and of other sizes, are the same sample."""
    twice = torch.cat([-2 * TEACHER.flip(1), TEACHER], dim=1)
    assert selectivity_distance(student=twice, teacher=TEACHER).item() == pytest.approx(0, abs=1e-14)
