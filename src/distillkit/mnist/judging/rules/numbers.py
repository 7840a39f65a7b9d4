"""Rules of acceptance: each is data (cells, a unit, a margin) that turns runs into a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Verdict
from distillkit.mnist.judging.units import TEST_ERRORS, Unit
from distillkit.workbench.statistics.summaries import (
    Comparison,
    Interval,
    mcnemar,
    paired_test,
    published_differs,
    two_proportion_z,
    wilson_interval,
)

TOLERANCE = 10
"""Test cases by which a number may differ however small the spread of the seeds is."""
NUMBER_LEVEL = 0.05
DIRECTION_LEVEL = 0.01
"""Stricter than for numbers, since there are several claims of direction."""
WIDEST = 0.5
"""A prediction interval that reaches further than this share of the published number cannot confirm it."""


@dataclass(frozen=True)
class Finding:
    """The result of a rule for one claim."""

    verdict: Verdict
    cells: tuple[str, ...] = ()
    values: tuple[tuple[int, float], ...] = ()
    """(seed, number), seeds ascending."""
    difference: float | None = None
    """Ours - published, or the mean of first - second for a claim of direction."""
    interval: Interval | None = None
    interval_of: str = ""
    p: float | None = None
    significant: bool | None = None
    test: str = ""
    note: str = ""


class Rule(Protocol):
    """The rule that judges a claim."""

    @property
    def kind(self) -> str:
        """One word for the ledger."""

    @property
    def text(self) -> str:
        """The rule in words."""

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the runs."""


def nothing(cells: Sequence[str], note: str = "") -> Finding:
    """The finding when the runs that a rule needs are not there."""
    missing = f"there are no runs of {' and '.join(cells)}" if cells else ""
    return Finding("not attempted", tuple(cells), note=note or missing)


@dataclass(frozen=True)
class Band:
    """The published number is one more run of ours, or differs by 10 test cases at most."""

    cell: str
    unit: Unit = TEST_ERRORS

    kind = "band"
    text = (
        "verified: the published number lies in the 95 % prediction interval of our seeds for one more run, "
        f"or differs from their mean by {TOLERANCE} test cases at most; inconclusive: with one seed outside "
        f"that margin and no significant difference, or with an interval of more than ± {WIDEST:.0%} of the "
        "published number; else falsified"
    )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the runs of the cell; see `text`."""
        return _find_number(
            self.cell,
            self.unit,
            evidence,
            published,
            worse_only=False,
            accepted=abs,
        )


@dataclass(frozen=True)
class NoWorse:
    """Ours does not make significantly more errors than published."""

    cell: str
    unit: Unit = TEST_ERRORS

    kind = "no_worse"
    text = (
        f"verified: the mean of our seeds is at most {TOLERANCE} test cases above the published number, or "
        f"not significantly above it (one-sided, one more run, p < {NUMBER_LEVEL}); inconclusive: with one "
        "seed outside that margin and no significant difference, or with an interval of more than ± "
        f"{WIDEST:.0%} of the published number; else falsified"
    )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the runs of the cell; see `text`."""
        return _find_number(
            self.cell, self.unit, evidence, published, worse_only=True, accepted=lambda one: one
        )


def _find_number(
    cell: str,
    unit: Unit,
    evidence: Evidence,
    published: float | None,
    *,
    worse_only: bool,
    accepted: Callable[[float], float],
) -> Finding:
    values = evidence.values(cell, unit)
    if not values or published is None:
        return nothing([cell])
    found = published_differs(
        published,
        list(values.values()),
        cases=unit.cases,
        per_case=unit.per_case,
        alternative="greater" if worse_only else "two-sided",
    )
    significant = found.significant(NUMBER_LEVEL)
    verdict: Verdict = "verified"
    if accepted(found.difference) > TOLERANCE * unit.per_case:
        if significant:
            verdict = "falsified"
        elif found.interval is None or np.ptp(found.interval) / 2 > WIDEST * published:
            verdict = "inconclusive"
    interval, interval_of = found.interval, "one more run (95 %)"
    if interval is None:
        low, high = wilson_interval(float(np.mean(list(values.values()))) / unit.per_case, unit.cases)
        interval, interval_of = (low * unit.per_case, high * unit.per_case), "test cases (Wilson, 95 %)"
    return Finding(
        verdict,
        (cell,),
        tuple(values.items()),
        found.difference,
        interval,
        interval_of,
        found.p,
        significant,
        found.test,
    )


@dataclass(frozen=True)
class FewerErrors:
    """The first cell makes fewer errors than the second, paired over seeds."""

    first: str
    second: str
    unit: Unit = TEST_ERRORS

    kind = "direction"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"verified: {self.first} has fewer {self.unit.name} than {self.second}, paired over seeds "
            f"(one-sided t test; with one seed exact McNemar on the test cases), p < {DIRECTION_LEVEL}; "
            f"falsified: more, p < {DIRECTION_LEVEL}; else inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that both cells have; see `text`."""
        unit = self.unit
        first, second = evidence.values(self.first, unit), evidence.values(self.second, unit)
        seeds = [seed for seed in first if seed in second]
        cells = (self.first, self.second)
        if not seeds:
            return nothing([cell for cell in cells if not evidence.runs(cell)] or cells)
        fewer, more = compare_cells(evidence, self.first, self.second, unit, seeds)
        verdict: Verdict = "inconclusive"
        if fewer.significant(DIRECTION_LEVEL):
            verdict = "verified"
        elif more.significant(DIRECTION_LEVEL):
            verdict = "falsified"
        return Finding(
            verdict,
            cells,
            tuple((seed, first[seed] - second[seed]) for seed in seeds),
            fewer.difference,
            fewer.interval,
            "mean difference (95 %)" if fewer.interval else "",
            fewer.p,
            fewer.significant(DIRECTION_LEVEL),
            fewer.test,
        )


def compare_cells(
    evidence: Evidence, first: str, second: str, unit: Unit, seeds: Sequence[int]
) -> tuple[Comparison, Comparison]:
    """Tests of "the first makes fewer errors" and "the first makes more", on the seeds that both cells have.

    Args:
        evidence: the runs.
        first: a cell name.
        second: another.
        unit: what is counted.
        seeds: the common seeds, at least one.

    Returns:
        The two one-sided comparisons: the paired t test, or for one seed exact McNemar when the predictions
        are at hand and the z test when not. Pairs whose differences are all alike have no t test: their
        means go to the z test.
    """
    runs = [(evidence.runs(first)[seed], evidence.runs(second)[seed]) for seed in seeds]
    ours = [unit.of(one) for one, _ in runs]
    theirs = [unit.of(other) for _, other in runs]
    paired = paired_test(ours, theirs, alternative="less")
    if paired.p is not None:
        return paired, paired_test(ours, theirs, alternative="greater")
    wrong = [evidence.wrong_cases(run, unit) for run in runs[0]]
    if len(seeds) == 1 and wrong[0] is not None and wrong[1] is not None:
        return mcnemar(wrong[0], wrong[1], alternative="less"), mcnemar(
            wrong[0], wrong[1], alternative="greater"
        )
    counts = float(np.mean(ours)) / unit.per_case, float(np.mean(theirs)) / unit.per_case
    fewer = two_proportion_z(*counts, cases=unit.cases, alternative="less")
    more = two_proportion_z(*counts, cases=unit.cases, alternative="greater")
    return fewer, more


@dataclass(frozen=True)
class NotAttempted:
    """A claim that this reproduction does not train for."""

    note: str

    kind = "property"
    text = "not judged from runs"

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Always "not attempted", with the reason."""
        return nothing((), self.note)
