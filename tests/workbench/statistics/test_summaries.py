"""The statistics against scipy, closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from distillkit.workbench.statistics.summaries import (
    mcnemar,
    paired_test,
    prediction_interval,
    published_differs,
    summarise,
    trend,
    two_proportion_z,
    wilson_interval,
)

ERRORS = [150.0, 161.0, 149.0, 158.0, 155.0]
OTHERS = [188.0, 190.0, 181.0, 197.0, 185.0]


def test_summary_has_the_t_interval_of_scipy() -> None:
    """Mean, sd (n - 1) and interval are those of scipy's one-sample t test."""
    summary = summarise(ERRORS)
    expected = stats.ttest_1samp(ERRORS, 0).confidence_interval(0.95)
    assert summary.mean == pytest.approx(np.mean(ERRORS))
    assert summary.sd == pytest.approx(np.std(ERRORS, ddof=1))
    assert summary.interval == pytest.approx((expected.low, expected.high))


def test_one_value_has_no_spread() -> None:
    """One run has a mean and neither sd nor intervals."""
    summary = summarise([158])
    assert (summary.mean, summary.sd, summary.n, summary.interval) == (158.0, None, 1, None)
    assert prediction_interval([158]) is None


def test_nothing_to_summarise_is_an_error() -> None:
    """No values give one clear sentence."""
    with pytest.raises(ValueError, match="at least one value"):
        summarise([])


def test_prediction_interval_covers_one_more_run() -> None:
    """Of many normal samples, 95 % of the intervals hold the next draw."""
    rng = np.random.default_rng(3)
    draws = rng.normal(150, 8, (4000, 5))
    hits = 0
    for row in draws:
        interval = prediction_interval(list(row[:4]))
        assert interval is not None
        hits += interval[0] <= row[4] <= interval[1]
    assert hits / len(draws) == pytest.approx(0.95, abs=0.012)


def test_published_number_on_the_edge_of_the_interval_has_p_of_5_per_cent() -> None:
    """The test and the prediction interval are the same statement."""
    interval = prediction_interval(ERRORS)
    assert interval is not None
    for edge in interval:
        assert published_differs(edge, ERRORS).p == pytest.approx(0.05)


def test_published_number_equals_the_two_sample_t_test_with_one_value() -> None:
    """With a single value on the other side, Student's two-sample test is the same test."""
    expected = stats.ttest_ind(ERRORS, [188.0], equal_var=True)
    found = published_differs(188, ERRORS)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(np.mean(ERRORS) - 188)


def test_one_sided_published_test_halves_p() -> None:
    """Ours above the published number: the one-sided p is half of the two-sided one."""
    both = published_differs(140, ERRORS).p
    above = published_differs(140, ERRORS, alternative="greater").p
    assert both is not None
    assert above == pytest.approx(both / 2)


@pytest.mark.parametrize("values", [[158.0], [158.0, 158.0, 158.0]])
def test_runs_without_spread_are_compared_by_proportions(values: list[float]) -> None:
    """One run, or runs all alike, fall back on the z test of two proportions."""
    found = published_differs(188, values)
    assert found.test == "two-proportion z test"
    assert found.p == pytest.approx(two_proportion_z(158, 188).p)


def test_per_cent_are_counted_in_cases() -> None:
    """47.3 % against 25.9 % of 10,000 cases is 4,730 against 2,590 errors."""
    in_per_cent = published_differs(47.3, [46.0], per_case=0.01)
    assert in_per_cent.p == pytest.approx(two_proportion_z(4600, 4730).p)
    assert in_per_cent.difference == pytest.approx(-1.3)


def test_two_proportions_equal_the_chi_square_test() -> None:
    """The square of z is the chi-square statistic without continuity correction."""
    table = [[188, 10_000 - 188], [158, 10_000 - 158]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert two_proportion_z(188, 158).p == pytest.approx(expected)
    assert two_proportion_z(158, 188, alternative="less").p == pytest.approx(expected / 2)
    assert two_proportion_z(0, 0).p == 1.0


def test_hinton_teacher_and_student_do_not_differ() -> None:
    """74 against 67 is not significant on 10,000 cases; 146 against 74 is."""
    close, far = two_proportion_z(74, 67), two_proportion_z(146, 74)
    assert not close.significant(0.05)
    assert far.significant(0.001)


def test_paired_test_is_the_one_sample_test_of_differences() -> None:
    """Pairing over seeds tests the mean of the differences, one- or two-sided."""
    differences = np.subtract(ERRORS, OTHERS)
    for side in ("two-sided", "less", "greater"):
        expected = stats.ttest_1samp(differences, 0, alternative=side).pvalue
        assert paired_test(ERRORS, OTHERS, alternative=side).p == pytest.approx(expected)
    assert paired_test(ERRORS, OTHERS).interval == pytest.approx(summarise(list(differences)).interval)


@pytest.mark.parametrize(
    ("first", "second"), [([150.0], [188.0]), ([1.0, 2.0], [3.0, 4.0]), ([5.0, 5.0], [5.0, 5.0])]
)
def test_pairs_that_cannot_carry_a_test_have_no_p(first: list[float], second: list[float]) -> None:
    """One pair, or differences all alike, give a difference and no p-value, and are not significant."""
    found = paired_test(first, second)
    assert found.p is None
    assert not found.significant(0.05)
    assert found.difference == pytest.approx(np.mean(np.subtract(first, second)))


def test_pairs_of_unlike_length_are_refused() -> None:
    """Unpaired values give one clear sentence."""
    with pytest.raises(ValueError, match="but got 2 and 1"):
        paired_test([1.0, 2.0], [1.0])


def test_mcnemar_by_brute_force() -> None:
    """The exact p sums the binomial over all outcomes at least as unlikely as the one seen."""
    first = np.array([True] * 3 + [False] * 9 + [True] * 5 + [False] * 40)
    second = np.array([False] * 3 + [True] * 9 + [True] * 5 + [False] * 40)
    outcomes = [math.comb(12, k) / 2**12 for k in range(13)]
    expected = sum(share for share in outcomes if share <= outcomes[3] * (1 + 1e-9))
    found = mcnemar(first, second)
    assert found.p == pytest.approx(expected)
    assert found.difference == 3 - 9
    assert mcnemar(first, second, alternative="less").p == pytest.approx(sum(outcomes[:4]))


def test_mcnemar_of_equal_predictions_is_one() -> None:
    """With no case that only one gets wrong there is no difference."""
    wrong = np.array([True, False, True])
    assert mcnemar(wrong, wrong).p == 1.0
    with pytest.raises(ValueError, match="one shape"):
        mcnemar(wrong, wrong[:2])


@pytest.mark.parametrize("errors", [0, 1, 158, 9999, 10_000])
def test_wilson_interval_is_scipys(errors: int) -> None:
    """The interval, in counts, is scipy's."""
    expected = stats.binomtest(errors, 10_000).proportion_ci(method="wilson")
    assert wilson_interval(errors) == pytest.approx((expected.low * 1e4, expected.high * 1e4), abs=1e-6)


def test_trend_by_brute_force() -> None:
    """Page's p counts, over all orders of the rows, those with at least as large a statistic."""
    table = np.array([[4.0, 3.0, 2.0], [9.0, 7.0, 8.0], [5.0, 4.0, 2.0]])
    ranks = stats.rankdata(table, axis=1)
    weights = np.array([3, 2, 1])
    orders = [np.array(order) for order in itertools.permutations((1, 2, 3))]
    scores = [
        sum(int(weights @ order) for order in orders_of) for orders_of in itertools.product(orders, repeat=3)
    ]
    expected = np.mean(np.asarray(scores) >= (ranks @ weights).sum())
    found = trend(table)
    assert found.p_decreasing == pytest.approx(expected)
    assert found.rank_correlation == pytest.approx(
        np.mean([stats.spearmanr(row, [1, 2, 3])[0] for row in table])
    )


def test_trend_of_one_row_has_no_p() -> None:
    """One seed shows a correlation and no test; a flat row has none; two columns are no trend."""
    one = trend(np.array([[3.0, 2.0, 1.0]]))
    assert (one.rank_correlation, one.p_decreasing, one.p_increasing) == (pytest.approx(-1.0), None, None)
    assert trend(np.array([[2.0, 2.0, 2.0]])).rank_correlation == 0.0
    with pytest.raises(ValueError, match="three columns"):
        trend(np.array([[1.0, 2.0]]))
