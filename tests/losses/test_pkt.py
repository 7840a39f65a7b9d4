"""Choices of neighbours against SciPy's entropy, and what leaves them as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.stats import entropy
from torch import Tensor

from distillkit.functional import neighbour_divergence

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(5, n, generator=GENERATOR, dtype=torch.float64) for n in (3, 7))


def affinities(side: Tensor, i: int) -> list[float]:
    """Of an example to all others, by SciPy's cosine distance."""
    rows = side.numpy()
    return [1 - cosine(rows[i], rows[j]) / 2 for j in range(len(rows)) if j != i]


def test_equals_scipys_entropy() -> None:
    """The mean over the examples; SciPy makes the affinities sum to 1."""
    expected = np.mean([entropy(affinities(TEACHER, i), affinities(STUDENT, i)) for i in range(5)])
    assert neighbour_divergence(student=STUDENT, teacher=TEACHER).item() == pytest.approx(expected, rel=1e-10)


def test_the_sides_are_not_the_same() -> None:
    """The teacher's probabilities are the weights."""
    there = neighbour_divergence(student=STUDENT, teacher=TEACHER)
    assert not torch.isclose(there, neighbour_divergence(student=TEACHER, teacher=STUDENT), rtol=1e-3)


def test_lengths_and_axes_change_nothing() -> None:
    """Cosines do not know them."""
    turn = torch.linalg.qr(torch.randn(7, 7, generator=GENERATOR, dtype=torch.float64)).Q
    turned = TEACHER @ turn * torch.tensor([[1.0], [2], [3], [4], [5]], dtype=torch.float64)
    assert neighbour_divergence(student=turned, teacher=TEACHER).item() == pytest.approx(0, abs=1e-14)


def test_opposite_examples_stay_finite() -> None:
    """An affinity of 0 is the least one instead, in value and gradient."""
    student = torch.tensor([[1.0, 0], [-1, 0], [0, 1]]).requires_grad_()
    value = neighbour_divergence(student=student, teacher=torch.tensor([[1.0, 0], [1, 0.1], [-1, 0]]))
    value.backward()
    assert value.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("size", [1, 2])
def test_few_examples_have_no_choice(size: int) -> None:
    """One has no neighbour, two only each other."""
    student = STUDENT[:size].clone().requires_grad_()
    value = neighbour_divergence(student=student, teacher=TEACHER[:size])
    value.backward()
    assert value.item() == 0
