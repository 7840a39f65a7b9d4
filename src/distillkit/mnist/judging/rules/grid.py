"""Rules of acceptance for H4 on the paper's grid: every comparison is a test, and their number counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Verdict
from distillkit.mnist.judging.rules.numbers import NUMBER_LEVEL, Finding
from distillkit.mnist.judging.rules.temperatures import (
    by_range,
    common_seeds,
    differs,
    error_table,
    hot_missing,
    hot_widths,
    temperatures_missing,
)
from distillkit.workbench.statistics.many_tests import alike, apart, holm
from distillkit.workbench.statistics.summaries import Alternative, paired_test
from distillkit.workbench.statistics.writing import p_value

_HOLM = "paired t tests over seeds, Holm's correction"


@dataclass(frozen=True)
class BeatsEachOther:
    """At one width, the temperatures in a range beat every temperature outside it."""

    hidden_units: int
    low: float
    high: float

    kind = "range"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"at D = {self.hidden_units}, the mean errors of a seed over the temperatures in [{self.low:g}, "
            f"{self.high:g}], paired with those at each temperature outside (one-sided t tests, p < "
            f"{NUMBER_LEVEL} after Holm's correction for their number); verified: fewer than at every one, "
            "some of them lower and some higher; falsified: more than at any; else inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that every temperature of the width has; see `text`."""
        cells = evidence.grid().get(self.hidden_units, {})
        inside, lower, higher = by_range(cells, self.low, self.high)
        outside = lower | higher
        seeds = common_seeds(evidence, list(cells.values()))
        if not (inside and lower and higher and seeds):
            return temperatures_missing(self.hidden_units, self.low, self.high)
        ours = error_table(evidence, list(inside.values()), seeds).mean(axis=1)
        others = error_table(evidence, list(outside.values()), seeds)
        fewer, more = _corrected(ours, others, "less"), _corrected(ours, others, "greater")
        verdict: Verdict = "inconclusive"
        if fewer is not None and max(fewer) < NUMBER_LEVEL:
            verdict = "verified"
        elif more is not None and min(more) < NUMBER_LEVEL:
            verdict = "falsified"
        difference = ours - others.mean(axis=1)
        return differs(
            verdict,
            cells.values(),
            seeds,
            difference,
            p=None if fewer is None else max(fewer),
            test=f"{len(outside)} {_HOLM} (the largest p)",
            note=_each(list(outside), (ours[:, None] - others).mean(axis=0), fewer),
        )


@dataclass(frozen=True)
class FlatAbove:
    """From a width on, any two temperatures above a limit give the same errors, within a margin."""

    narrowest: int
    above: float
    margin: float

    kind = "range"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"for every D >= {self.narrowest}, every pair of temperatures above {self.above:g}, paired over "
            f"seeds; verified: each pair differs by less than {self.margin:g} test errors (two one-sided t "
            f"tests, p < {NUMBER_LEVEL} each; all must hold, which needs no correction); falsified: "
            f"some pair differs by more (two-sided, p < {NUMBER_LEVEL} after Holm's correction for the "
            "number of pairs of all widths); else inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that the temperatures of a width have in common; see `text`."""
        pairs, cells, notes, spread = [], [], [], np.zeros(0)
        seeds: list[int] = []
        for hidden, hot, common in hot_widths(evidence, self.narrowest, self.above):
            table = error_table(evidence, hot, common)
            pairs += [(table[:, one], table[:, other]) for one, other in combinations(range(len(hot)), 2)]
            cells += hot
            means = table.mean(axis=0)
            notes.append(f"D = {hidden}: {np.ptp(means):.1f}")
            extremes = table[:, int(means.argmax())] - table[:, int(means.argmin())]
            if not spread.size or extremes.mean() > spread.mean():
                spread, seeds = extremes, common
        if not pairs:
            return hot_missing(self.narrowest, self.above)
        same = [alike(list(one), list(other), margin=self.margin) for one, other in pairs]
        differ = [apart(list(one), list(other), margin=self.margin) for one, other in pairs]
        corrected = holm([1.0 if p is None else p for p in differ])
        largest = None if None in same else max(p for p in same if p is not None)
        verdict: Verdict = "inconclusive"
        if largest is not None and largest < NUMBER_LEVEL:
            verdict = "verified"
        elif min(corrected) < NUMBER_LEVEL:
            verdict = "falsified"
        return differs(
            verdict,
            cells,
            seeds,
            spread,
            p=largest,
            test=f"{len(pairs)} pairs: two one-sided t tests each (the largest p)",
            note=f"worst - best of the means: {'; '.join(notes)}; corrected p of a larger difference "
            f"{_p(min(corrected))}",
        )


def _corrected(
    ours: NDArray[np.float64], others: NDArray[np.float64], alternative: Alternative
) -> list[float] | None:
    """Holm's p-values of ours against each column; None where a test cannot be made."""
    found = [paired_test(list(ours), list(column), alternative=alternative).p for column in others.T]
    known = [p for p in found if p is not None]
    return holm(known) if len(known) == len(found) else None


def _each(temperatures: Sequence[float], differences: NDArray[np.float64], ps: list[float] | None) -> str:
    said = [
        f"T = {temperature:g}: {difference:+.1f}" + (f" (p {_p(ps[place])})" if ps else "")
        for place, (temperature, difference) in enumerate(zip(temperatures, differences, strict=True))
    ]
    return f"mean difference to {'; '.join(said)}"


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"
