"""Similarities against NumPy, and what leaves them as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distillkit.functional import similarity_distance

GENERATOR = torch.Generator().manual_seed(0)
STUDENT = torch.randn(5, 2, 3, 3, generator=GENERATOR, dtype=torch.float64)
TEACHER = torch.randn(5, 7, generator=GENERATOR, dtype=torch.float64)


def test_equals_numpys_norm() -> None:
    """Products, rows at length 1, Frobenius norm squared over batch²."""
    both = []
    for side in (STUDENT, TEACHER):
        rows = side.flatten(1).numpy()
        products = rows @ rows.T
        both.append(products / np.linalg.norm(products, axis=1, keepdims=True))
    expected = np.linalg.norm(both[0] - both[1], "fro") ** 2 / 25
    assert similarity_distance(student=STUDENT, teacher=TEACHER).item() == pytest.approx(expected, rel=1e-12)


def test_turned_and_scaled_features_are_the_same() -> None:
    """Products do not know the axes, and rows at length 1 no factor."""
    turn = torch.linalg.qr(torch.randn(7, 7, generator=GENERATOR, dtype=torch.float64)).Q
    assert similarity_distance(student=5 * TEACHER @ turn, teacher=TEACHER).item() == pytest.approx(
        0, abs=1e-28
    )


def test_one_example_is_like_itself() -> None:
    """Of one sign, whatever the features."""
    assert similarity_distance(student=STUDENT[:1], teacher=TEACHER[:1]).item() == pytest.approx(0, abs=1e-28)
