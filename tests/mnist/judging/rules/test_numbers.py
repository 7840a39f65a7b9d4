"""Each rule of acceptance gives the verdict that its words promise."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from distillkit.errors import ConfigurationError
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.rules.gains import GainKept, GapClosed
from distillkit.mnist.judging.rules.grid import BeatsEachOther, FlatAbove
from distillkit.mnist.judging.rules.numbers import Band, FewerErrors, NotAttempted, NoWorse
from distillkit.mnist.judging.rules.temperatures import BestBetween, HigherIsBetter, SimilarAbove
from distillkit.mnist.judging.units import PER_CENT, TEST_ERRORS, THREES
from distillkit.workbench.statistics.summaries import mcnemar, two_proportion_z


def runs(cells: dict[str, list[int]], threes: int = 0) -> Evidence:
    """Evidence that holds these test errors, one a seed."""
    results: list[dict[str, Any]] = [
        {
            "id": f"{name}-{seed}",
            "name": name,
            "seed": seed,
            "test_errors": errors,
            "errors_by_class": [0, 0, 0, threes, 0, 0, 0, 0, 0, errors - threes],
            "protocol": "report-2025",
            "quick": False,
            "data": {"name": "mnist", "sha256": "0"},
        }
        for name, values in cells.items()
        for seed, errors in enumerate(values)
    ]
    return Evidence.of(results)


@pytest.mark.parametrize(
    ("values", "published", "verdict"),
    [
        ([150, 160, 155], 158, "verified"),  # inside the interval
        ([150, 150, 150], 160, "verified"),  # no spread, 10 cases apart
        ([150, 151, 149], 161, "falsified"),  # outside the interval, 11 cases apart
        ([150, 151, 149], 160, "verified"),  # outside the interval, 10 cases apart
        ([150, 151, 150], 188, "falsified"),  # outside
        ([150, 150, 150], 170, "inconclusive"),  # no spread to compare with, proportions do not differ
        ([150, 150, 150], 250, "falsified"),  # no spread, proportions differ
        ([150, 1150, 1160], 2300, "inconclusive"),  # an interval that could hold anything
        ([150, 250], 180, "inconclusive"),  # two seeds far apart
        ([170], 165, "verified"),
        ([170], 188, "inconclusive"),  # one seed outside the margin confirms nothing
        ([170], 300, "falsified"),
        ([], 188, "not attempted"),
    ],
)
def test_band(values: list[int], published: float, verdict: str) -> None:
    """Inside the interval or 10 cases: verified; too wide or one seed: inconclusive; else falsified."""
    finding = Band("D800-noKD").find(runs({"D800-noKD": values}), published)
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("values", "published", "verdict"),
    [
        ([50, 55, 52], 67, "verified"),  # better
        ([70, 75, 72], 67, "verified"),  # 10 cases worse at most
        ([100, 104, 101], 67, "falsified"),
        ([80], 67, "inconclusive"),
        ([140], 67, "falsified"),
        ([80, 160], 67, "inconclusive"),
    ],
)
def test_no_worse(values: list[int], published: float, verdict: str) -> None:
    """Only more errors than published count against ours."""
    assert NoWorse("teacher").find(runs({"teacher": values}), published).verdict == verdict


def test_numbers_show_the_interval_that_they_are_judged_by() -> None:
    """Several seeds: one more run; one seed: Wilson's interval of the test cases."""
    several = Band("teacher").find(runs({"teacher": [140, 145, 150]}), 143)
    one = Band("teacher").find(runs({"teacher": [140]}), 143)
    assert several.interval_of.startswith("one more run")
    assert one.interval_of.startswith("test cases")
    assert one.interval == pytest.approx((118.7, 165.0), abs=0.2)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([158, 150, 155], [190, 181, 188], "verified"),
        ([190, 181, 188], [158, 150, 155], "falsified"),
        ([158, 190, 170], [170, 160, 190], "inconclusive"),
        ([150, 150], [190, 190], "inconclusive"),  # equal differences: proportions, p = 0.014
        ([150, 150], [390, 390], "verified"),
        ([158], [190], "inconclusive"),
        ([158], [290], "verified"),
        ([158, 160], [], "not attempted"),
    ],
)
def test_direction(first: list[int], second: list[int], verdict: str) -> None:
    """Fewer errors with p < 0.01 one-sided: verified; more: falsified; else inconclusive."""
    evidence = runs({"D800-T20": first, "D800-noKD": second})
    assert FewerErrors("D800-T20", "D800-noKD").find(evidence, None).verdict == verdict


def test_direction_pairs_only_common_seeds() -> None:
    """A seed that one of the cells lacks is left out, and the differences keep their seeds."""
    finding = FewerErrors("D800-T20", "D800-noKD").find(
        runs({"D800-T20": [158, 150, 155], "D800-noKD": [190, 180]}), None
    )
    assert finding.values == ((0, -32.0), (1, -30.0))


def test_one_seed_is_compared_case_by_case_when_predictions_are_there(fake: ModuleType) -> None:
    """With predictions exact McNemar, without them the z test; threes are compared on the threes alone."""
    folder = fake.fake_results(["D800-noKD-omit3", "D800-T20-omit3"], seeds=1)
    rule = FewerErrors("D800-T20-omit3", "D800-noKD-omit3", THREES)
    with_cases = rule.find(Evidence.of(folder.results, folder.predictions, folder.labels), None)
    without = rule.find(Evidence.of(folder.results), None)
    threes = folder.labels == 3
    wrong = {run["name"]: (folder.predictions[run["id"]] != folder.labels)[threes] for run in folder.results}
    expected = mcnemar(wrong["D800-T20-omit3"], wrong["D800-noKD-omit3"], alternative="less")
    assert (with_cases.test, with_cases.p) == ("exact McNemar test", expected.p)
    assert with_cases.difference == without.difference == 79 - 1010
    assert without.test == "two-proportion z test"
    assert without.p == two_proportion_z(79, 1010, cases=1010, alternative="less").p


HOT = {
    "D300-T10": [165, 168, 160, 163],
    "D300-T20": [166, 165, 163, 160],
    "D300-T50": [160, 169, 162, 165],
    "D30-T20": [440, 450, 445, 460],
    "D30-T50": [300, 310, 305, 312],
}


def test_similar_above() -> None:
    """Means within the margin at every wide enough width; narrow ones and low temperatures do not count."""
    rule = SimilarAbove(narrowest=300, above=8, margin=15)
    assert rule.find(runs({**HOT, "D300-T4": [500] * 4}), None).verdict == "verified"
    apart = rule.find(runs({**HOT, "D800-T10": [150, 155, 151, 149], "D800-T20": [190, 196, 191, 192]}), None)
    assert apart.verdict == "falsified"
    assert apart.difference == pytest.approx(41.0)
    assert "D = 300" in apart.note
    p = stats.ttest_rel([150, 155, 151, 149], [190, 196, 191, 192]).pvalue
    assert apart.p == pytest.approx(p)
    assert rule.find(runs({name: values[:1] for name, values in HOT.items()}), None).verdict == "inconclusive"
    assert rule.find(runs({"D300-T10": [165]}), None).verdict == "not attempted"


def test_similar_above_is_open_when_seeds_differ_too_much() -> None:
    """Means far apart by a few odd seeds neither verify nor falsify."""
    wild = {"D300-T10": [160, 1200, 165, 163], "D300-T20": [166, 165, 163, 160]}
    assert SimilarAbove(300, 8, 15).find(runs(wild), None).verdict == "inconclusive"


NARROW = {"D30-T1": 450, "D30-T2": 440, "D30-T4": 305, "D30-T10": 400, "D30-T50": 420}


def narrow(means: dict[str, int]) -> Evidence:
    """Five seeds around each mean."""
    rng = np.random.default_rng(0)
    return runs({name: [round(mean + one) for one in rng.normal(0, 5, 5)] for name, mean in means.items()})


def test_best_between() -> None:
    """Temperatures inside the range beat both sides, or are beaten by one, or neither."""
    rule = BestBetween(hidden_units=30, low=2.5, high=4)
    assert rule.find(narrow(NARROW), None).verdict == "verified"
    assert rule.find(narrow({**NARROW, "D30-T4": 480}), None).verdict == "falsified"
    assert rule.find(narrow({**NARROW, "D30-T10": 306, "D30-T50": 304}), None).verdict == "inconclusive"
    assert rule.find(narrow({"D30-T1": 450, "D30-T4": 305}), None).verdict == "not attempted"


def test_higher_is_better() -> None:
    """Errors fall at every width: verified; rise at one: falsified; one seed: inconclusive."""
    rule = HigherIsBetter()
    falling = {"D30-T1": 450, "D30-T4": 400, "D30-T20": 350, "D30-T50": 300}
    rising = {"D300-T1": 150, "D300-T4": 200, "D300-T20": 250, "D300-T50": 300}
    assert rule.find(narrow(falling), None).verdict == "verified"
    assert rule.find(narrow(falling | rising), None).verdict == "falsified"
    assert rule.find(runs({name: [mean] for name, mean in falling.items()}), None).verdict == "inconclusive"
    assert rule.find(narrow({"D30-T1": 450, "D30-T4": 400}), None).verdict == "not attempted"


GRID = {1: 450, 2: 440, 2.5: 310, 3: 305, 4: 308, 6: 400, 20: 420}


def grid(means: dict[float, float], hidden: int = 30) -> Evidence:
    """Ten seeds around each mean at a width."""
    rng = np.random.default_rng(0)
    return runs(
        {
            f"D{hidden}-T{t:g}": [round(mean + one) for one in rng.normal(0, 5, 10)]
            for t, mean in means.items()
        }
    )


def test_beats_each_other() -> None:
    """Every temperature outside must be beaten; one alike leaves it open, one that is better ends it."""
    rule = BeatsEachOther(hidden_units=30, low=2.5, high=4)
    found = rule.find(grid(GRID), None)
    assert found.verdict == "verified"
    assert "T = 6: -89.7 (p < 0.0001)" in found.note
    assert found.p is not None
    assert rule.find(grid({**GRID, 6: 308}), None).verdict == "inconclusive"
    assert rule.find(grid({**GRID, 6: 290}), None).verdict == "falsified"
    assert rule.find(grid({t: mean for t, mean in GRID.items() if t <= 4}), None).verdict == "not attempted"
    one_seed = runs({f"D30-T{t:g}": [mean] for t, mean in GRID.items()})
    assert rule.find(one_seed, None).verdict == "inconclusive"


def test_what_is_beaten_is_beaten_after_correction() -> None:
    """The p-value of the row is the largest of Holm's, by scipy's t tests and the definition."""
    evidence = grid(GRID)
    errors = {t: [run["test_errors"] for run in evidence.runs(f"D30-T{t:g}").values()] for t in GRID}
    ours = np.mean([errors[t] for t in (2.5, 3, 4)], axis=0)
    ps = sorted(stats.ttest_rel(ours, errors[t], alternative="less").pvalue for t in (1, 2, 6, 20))
    expected = max((4 - place) * p for place, p in enumerate(ps))
    found = BeatsEachOther(hidden_units=30, low=2.5, high=4).find(evidence, None)
    assert found.p == pytest.approx(expected)


def test_flat_above() -> None:
    """Alike within the margin by two one-sided tests; apart; or too few seeds to tell."""
    rule = FlatAbove(narrowest=300, above=8, margin=15)
    flat = {4.0: 500.0, 10.0: 160.0, 20.0: 162.0, 50.0: 159.0}
    assert rule.find(grid(flat, 300), None).verdict == "verified"
    apart = rule.find(grid({**flat, 50.0: 190.0}, 300), None)
    assert apart.verdict == "falsified"
    assert apart.difference == pytest.approx(30, abs=6)
    assert rule.find(grid({**flat, 50.0: 174.0}, 300), None).verdict == "inconclusive"
    assert rule.find(grid(flat, 100), None).verdict == "not attempted"
    few = runs({"D300-T10": [160, 190], "D300-T20": [165, 150]})
    assert rule.find(few, None).verdict == "inconclusive"


def test_gain_kept() -> None:
    """More than the share: verified; less: falsified; one seed, or no gain: inconclusive."""
    rule = GainKept(("member-1", "member-2"), "ensemble", "net", 0.8)
    members = {"member-1": [150, 146, 148, 152], "member-2": [148, 150, 150, 144]}
    ensemble = {"ensemble": [130, 126, 128, 127]}
    kept = rule.find(runs({**members, **ensemble, "net": [131, 127, 129, 128]}), None)
    assert kept.verdict == "verified"
    assert kept.values[0] == (0, pytest.approx(18 / 19))
    lost = rule.find(runs({**members, **ensemble, "net": [145, 143, 144, 144]}), None)
    assert lost.verdict == "falsified"
    one = {name: values[:1] for name, values in (members | ensemble | {"net": [131]}).items()}
    assert rule.find(runs(one), None).verdict == "inconclusive"
    worse = {"ensemble": [160, 170, 165, 166], "net": [100, 101, 99, 100]}
    assert rule.find(runs(members | worse), None).verdict == "inconclusive"
    assert rule.find(runs(ensemble), None).verdict == "not attempted"


@pytest.mark.parametrize(
    ("distilled", "verdict"),
    [
        ([74, 73, 75, 74], "verified"),
        ([60, 61, 62, 60], "verified"),
        ([95, 75, 70, 80], "verified"),  # less, but not significantly
        ([95, 96, 94, 97], "falsified"),
        ([90], "inconclusive"),
        ([74], "verified"),
        ([], "not attempted"),
    ],
)
def test_gap_closed(distilled: list[int], verdict: str) -> None:
    """The published share or more, or not significantly less; one seed cannot say that it is less."""
    rule = GapClosed("D800-noKD", "teacher", "D800-T20")
    evidence = runs({"D800-noKD": [146, 145, 148, 146], "teacher": [67, 66, 68, 67], "D800-T20": distilled})
    assert rule.find(evidence, 72 / 79).verdict == verdict


def test_properties_are_never_judged() -> None:
    """A claim that is not trained for says why."""
    finding = NotAttempted("the data are not public").find(runs({}), 60.8)
    assert (finding.verdict, finding.note) == ("not attempted", "the data are not public")


def test_mixed_or_doubled_results_are_refused() -> None:
    """Two results of one cell and seed, or of two protocols, give one clear sentence."""
    one = runs({"teacher": [143]}).runs("teacher")[0]
    with pytest.raises(ConfigurationError, match="teacher with seed 0"):
        Evidence.of([one, one])
    with pytest.raises(ConfigurationError, match="one protocol"):
        Evidence.of([one, {**one, "seed": 1, "protocol": "modern"}])


def test_metrics_read_counts_threes_and_per_cent() -> None:
    """The three numbers of a result, in their units."""
    result = runs({"teacher": [143]}, threes=20).runs("teacher")[0]
    assert [unit.of(result) for unit in (TEST_ERRORS, THREES, PER_CENT)] == [
        143,
        20,
        pytest.approx(1.43),
    ]
