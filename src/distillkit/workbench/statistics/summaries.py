"""Statistics of a few seeded runs: intervals, and tests against a number, another cell, or a trend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Alternative = Literal["two-sided", "less", "greater"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation and number of values, with the t interval of the mean."""

    mean: float
    sd: float | None
    """Sample standard deviation (n - 1); None with one value."""
    n: int
    interval: Interval | None
    """Interval of the mean; None with one value."""


@dataclass(frozen=True)
class Comparison:
    """The result of a test: the difference, its interval, the p-value and the name of the test."""

    difference: float
    interval: Interval | None
    p: float | None
    """None when the values cannot carry the test (a single pair, or differences that are all alike)."""
    test: str

    def significant(self, level: float) -> bool:
        """Whether p is below `level`; a test without a p-value is never significant."""
        return self.p is not None and self.p < level


def summarise(values: Sequence[float], *, level: float = 0.95) -> Summary:
    """Mean, sd and n of seeded runs, with mean ± t·sd/√n.

    Args:
        values: one number a run, at least one.
        level: coverage of the interval, in (0, 1).

    Returns:
        The summary; with one value, sd and interval are None.

    Raises:
        ValueError: there are no values.

    Example:
        >>> summary = summarise([150, 160, 170])
        >>> summary.mean, summary.sd, [round(end, 2) for end in summary.interval]
        (160.0, 10.0, [135.16, 184.84])
    """
    if len(values) == 0:
        raise ValueError("Expected at least one value to summarise but got none.")
    array = np.asarray(values, dtype=np.float64)
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Summary(mean, None, 1, None)
    sd = float(array.std(ddof=1))
    half = _t_quantile(level, n) * sd / math.sqrt(n)
    return Summary(mean, sd, n, (mean - half, mean + half))


def prediction_interval(values: Sequence[float], *, level: float = 0.95) -> Interval | None:
    """Where one more run is expected: mean ± t·sd·√(1 + 1/n); None with one value.

    Args:
        values: one number a run.
        level: coverage, in (0, 1).

    Example:
        >>> [round(end, 1) for end in prediction_interval([150, 160, 170])]
        [110.3, 209.7]
    """
    summary = summarise(values, level=level)
    if summary.sd is None:
        return None
    half = _t_quantile(level, summary.n) * summary.sd * math.sqrt(1 + 1 / summary.n)
    return summary.mean - half, summary.mean + half


def published_differs(
    published: float,
    values: Sequence[float],
    *,
    cases: int = 10_000,
    per_case: float = 1.0,
    alternative: Alternative = "two-sided",
) -> Comparison:
    """Whether a published number, one run of somebody else, could be one more run of ours.

    t = (mean - published) / (sd·√(1 + 1/n)) with n - 1 degrees of freedom. With one run, or runs that are
    all alike, there is no spread to compare with: then the two-proportion z test on the test cases.

    Args:
        published: the published number.
        values: ours, one a run.
        cases: number of test cases that the number counts errors on.
        per_case: what one case adds to the number (1 for counts, 0.01 for per cent of 10,000 cases).
        alternative: "greater" tests whether ours is larger than the published number.

    Returns:
        difference = mean of ours - published; interval = the 95 % prediction interval of ours (None without
        a spread).

    Example:
        >>> round(published_differs(188, [150, 160, 170]).p, 3)
        0.136
        >>> published_differs(188, [158]).test
        'two-proportion z test'
    """
    summary = summarise(values)
    difference = summary.mean - published
    if not summary.sd:
        z = two_proportion_z(
            summary.mean / per_case, published / per_case, cases=cases, alternative=alternative
        )
        return Comparison(difference, None, z.p, z.test)
    t = difference / (summary.sd * math.sqrt(1 + 1 / summary.n))
    p = _tail(stats.t(summary.n - 1), t, alternative)
    return Comparison(difference, prediction_interval(values), p, "t test for one more run")


def paired_test(
    first: Sequence[float], second: Sequence[float], *, alternative: Alternative = "two-sided"
) -> Comparison:
    """Paired t test over seeds of first - second.

    Args:
        first: one number a seed.
        second: the other cell's numbers, in the same order of seeds.
        alternative: "less" tests whether `first` is the smaller.

    Returns:
        difference = mean of first - second with its 95 % t interval; p is None for one pair or equal
        differences.

    Raises:
        ValueError: the two have different lengths, or are empty.

    Example:
        >>> paired_test([158, 151, 155], [188, 190, 181], alternative="less").difference
        -31.666666666666668
    """
    if len(first) != len(second):
        raise ValueError(
            f"Expected as many values on both sides of a pair but got {len(first)} and {len(second)}."
        )
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    summary = summarise(list(differences))
    name = "paired t test over seeds"
    if summary.sd is None or np.ptp(differences) <= 1e-12 * np.abs(differences).max(initial=0.0):
        return Comparison(summary.mean, None, None, name)
    result = stats.ttest_rel(first, second, alternative=alternative)
    return Comparison(summary.mean, summary.interval, float(result.pvalue), name)


def mcnemar(
    wrong_first: NDArray[np.bool_], wrong_second: NDArray[np.bool_], *, alternative: Alternative = "two-sided"
) -> Comparison:
    """Exact McNemar test: a binomial test on the cases that only one of the two gets wrong.

    Args:
        wrong_first: bool [cases], where the first is wrong.
        wrong_second: bool [cases], where the second is wrong.
        alternative: "less" tests whether the first makes fewer errors.

    Returns:
        difference = errors of the first - errors of the second.

    Raises:
        ValueError: the arrays differ in shape.

    Example:
        >>> first, second = np.zeros(100, dtype=bool), np.arange(100) < 8
        >>> mcnemar(first, second).p
        0.0078125
    """
    if wrong_first.shape != wrong_second.shape:
        raise ValueError(
            f"Expected two arrays of one shape but got {wrong_first.shape} and {wrong_second.shape}."
        )
    only_first = int(np.sum(wrong_first & ~wrong_second))
    only_second = int(np.sum(wrong_second & ~wrong_first))
    discordant = only_first + only_second
    p = 1.0 if discordant == 0 else float(stats.binomtest(only_first, discordant, 0.5, alternative).pvalue)
    return Comparison(float(only_first - only_second), None, p, "exact McNemar test")


def two_proportion_z(
    first: float, second: float, *, cases: int = 10_000, alternative: Alternative = "two-sided"
) -> Comparison:
    """Two-proportion z test of two error counts on `cases` cases each, with the pooled variance.

    z = (first - second) / √(2·cases·p·(1 - p)), p = (first + second) / (2·cases).

    Example:
        >>> round(two_proportion_z(188, 158).p, 3)
        0.104
    """
    pooled = (first + second) / (2 * cases)
    scale = math.sqrt(2 * cases * pooled * (1 - pooled)) if 0 < pooled < 1 else 0.0
    p = 1.0 if scale == 0 else _tail(stats.norm(), (first - second) / scale, alternative)
    return Comparison(first - second, None, p, "two-proportion z test")


def wilson_interval(errors: float, cases: int = 10_000, *, level: float = 0.95) -> Interval:
    """Wilson's interval for a count of errors: how far the choice of test cases alone could move it.

    Args:
        errors: wrong cases, in [0, cases].
        cases: test cases.
        level: coverage, in (0, 1).

    Returns:
        The interval in errors, not in shares.

    Example:
        >>> [round(end, 1) for end in wilson_interval(158)]
        [135.4, 184.4]
    """
    z = float(stats.norm.ppf(0.5 + level / 2))
    share = errors / cases
    centre = (share + z * z / (2 * cases)) / (1 + z * z / cases)
    half = z * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases)) / (1 + z * z / cases)
    return max(0.0, (centre - half) * cases), min(float(cases), (centre + half) * cases)


@dataclass(frozen=True)
class Trend:
    """Page's test for ordered columns, with the mean rank correlation of the rows."""

    rank_correlation: float
    p_decreasing: float | None
    p_increasing: float | None


def trend(table: NDArray[np.float64]) -> Trend:
    """Whether the values fall (or rise) from column to column, row by row.

    Args:
        table: float [seeds, settings], the settings in ascending order; at least three settings.

    Returns:
        The mean Spearman correlation of a row with the column number, and the one-sided p-values of Page's L
        (None for one row).

    Reference:
        E. B. Page, "Ordered hypotheses for multiple treatments", Journal of the American Statistical
        Association, 1963.

    Example:
        >>> found = trend(np.array([[4.0, 3, 2, 1], [9, 7, 8, 1], [5, 4, 2, 3]]))
        >>> round(found.rank_correlation, 2), found.p_decreasing < 0.01
        (-0.87, True)
    """
    rows, columns = table.shape
    if columns < 3:
        raise ValueError(f"Expected at least three columns for a trend but got {columns}.")
    order = np.arange(columns, dtype=np.float64)
    correlation = float(np.mean([_correlation(stats.rankdata(row), order) for row in table]))
    if rows < 2:
        return Trend(correlation, None, None)
    falling = float(stats.page_trend_test(table[:, ::-1]).pvalue)
    rising = float(stats.page_trend_test(table).pvalue)
    return Trend(correlation, falling, rising)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    # A row of equal values has no order: it counts as no correlation.
    return 0.0 if np.ptp(first) == 0 else float(np.corrcoef(first, second)[0, 1])


def _t_quantile(level: float, n: int) -> float:
    return float(stats.t.ppf(0.5 + level / 2, n - 1))


def _tail(distribution: Any, statistic: float, alternative: Alternative) -> float:
    if alternative == "less":
        return float(distribution.cdf(statistic))
    if alternative == "greater":
        return float(distribution.sf(statistic))
    return float(2 * distribution.sf(abs(statistic)))
