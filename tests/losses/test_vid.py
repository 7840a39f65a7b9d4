"""The likelihood against SciPy's, and what minimises it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from distillkit.functional import gaussian_likelihood
from distillkit.losses import VID
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
MEAN, TEACHER = torch.randn(2, 4, 3, 2, 2, generator=GENERATOR, dtype=torch.float64)
VARIANCE = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)[:, None, None]


def test_equals_scipys_density() -> None:
    """−log of it, averaged over all numbers, less the constant log(2π) / 2."""
    densities = norm.logpdf(TEACHER.numpy(), MEAN.numpy(), np.sqrt(VARIANCE.expand_as(MEAN).numpy()))
    expected = -densities.mean() - math.log(2 * math.pi) / 2
    found = gaussian_likelihood(mean=MEAN, variance=VARIANCE, teacher=TEACHER).item()
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_best_variance_is_that_of_the_residuals() -> None:
    """Any other one of a channel is worse."""
    best = (TEACHER - MEAN).square().mean(dim=(0, 2, 3))[:, None, None]
    least = gaussian_likelihood(mean=MEAN, variance=best, teacher=TEACHER)
    for factor in (0.9, 1.1):
        assert gaussian_likelihood(mean=MEAN, variance=factor * best, teacher=TEACHER) > least


@pytest.mark.parametrize(("student", "teacher", "shape"), [
    ((4, 2, 2, 2), (4, 3, 2, 2), (3, 1, 1)),
    ((4, 2), (4, 3), (3,)),
    ((4, 5, 2), (4, 5, 3), (3,)),
])  # fmt: skip
def test_it_begins_with_the_variance_that_is_set(
    student: tuple[int, ...], teacher: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """One for each channel of the teacher, beside a mean of the teacher's shape."""
    loss = VID(layers={"s": "t"}, initial_variance=2.5)
    one, other = torch.zeros(student), torch.zeros(teacher)
    (guess,) = loss.adapters(student=Outputs(one, {"s": one}), teacher=Outputs(other, {"t": other}))
    mean, variance = guess(torch.zeros(student))
    assert mean.shape == teacher
    torch.testing.assert_close(variance, torch.full(shape, 2.5))
