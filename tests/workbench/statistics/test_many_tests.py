"""Corrections for several tests, and tests of likeness, against their definitions and by chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distillkit.workbench.statistics.many_tests import alike, apart, holm


def test_holm_is_its_definition() -> None:
    """Ascending p-values times how many are left, never falling, 1 at most, in the order given."""
    ps = [0.04, 0.001, 0.5, 0.02, 0.9]
    assert holm(ps) == pytest.approx([0.12, 0.005, 1.0, 0.08, 1.0])
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_keeps_its_level() -> None:
    """Of many families of true hypotheses, about one in twenty has a finding at 5 %, and not more."""
    rng = np.random.default_rng(0)
    families = rng.uniform(size=(4000, 12))
    assert np.mean([min(holm(list(ps))) < 0.05 for ps in families]) == pytest.approx(0.05, abs=0.01)


def test_alike_is_two_one_sided_tests() -> None:
    """The larger p-value of scipy's t tests of the differences against both margins."""
    first, second = [150.0, 152.0, 149.0, 155.0], [151.0, 150.0, 154.0, 151.0]
    differences = np.subtract(first, second)
    expected = max(
        stats.ttest_1samp(differences, 5, alternative="less").pvalue,
        stats.ttest_1samp(differences, -5, alternative="greater").pvalue,
    )
    assert alike(first, second, margin=5) == pytest.approx(expected)


def test_apart_is_the_other_side() -> None:
    """Twice scipy's p-value that the differences are beyond the nearer margin, whichever comes first."""
    first, second = [150.0, 152.0, 149.0, 155.0], [161.0, 160.0, 164.0, 161.0]
    p = stats.ttest_1samp(np.subtract(first, second), -5, alternative="less").pvalue
    assert apart(first, second, margin=5) == pytest.approx(2 * p)
    assert apart(second, first, margin=5) == pytest.approx(2 * p)
    assert apart(first, second, margin=50) == 1.0
    assert apart([150], [190], margin=5) is None


def test_alike_needs_a_spread() -> None:
    """One pair, or differences that are all the same, cannot carry a test."""
    assert alike([150], [151], margin=15) is None
    assert alike([150, 160], [151, 161], margin=15) is None
