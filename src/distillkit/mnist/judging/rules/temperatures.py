"""Rules of acceptance for the claims about temperature and width, over whatever part of the grid there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Verdict
from distillkit.mnist.judging.rules.numbers import DIRECTION_LEVEL, Finding, compare_cells, nothing
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.workbench.statistics.summaries import paired_test, trend

_TWO_SIDES = 2
_FEWEST_TEMPERATURES = 3


@dataclass(frozen=True)
class SimilarAbove:
    """From a width on, every temperature above a limit gives about the same errors."""

    narrowest: int
    above: float
    margin: float

    kind = "range"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"for every D >= {self.narrowest}, the means of the temperatures above {self.above:g} over the "
            f"seeds; verified: they lie within {self.margin:g} test errors (two seeds or more); falsified: "
            f"they do not, and best and worst differ (paired, two-sided, p < {DIRECTION_LEVEL} over the "
            "number of pairs); else inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge each width that has two such temperatures; see `text`."""
        widths = hot_widths(evidence, self.narrowest, self.above)
        found = [(hidden, self._width(evidence, hot, seeds)) for hidden, hot, seeds in widths]
        if not found:
            return hot_missing(self.narrowest, self.above)
        verdicts = {finding.verdict for _, finding in found}
        verdict: Verdict = "verified"
        if "falsified" in verdicts:
            verdict = "falsified"
        elif "inconclusive" in verdicts:
            verdict = "inconclusive"
        worst = max((finding for _, finding in found), key=lambda finding: finding.difference or 0.0)
        spreads = "; ".join(f"D = {hidden}: {finding.difference:.1f}" for hidden, finding in found)
        return Finding(
            verdict,
            tuple(cell for _, finding in found for cell in finding.cells),
            worst.values,
            worst.difference,
            worst.interval,
            worst.interval_of,
            worst.p,
            worst.significant,
            worst.test,
            f"worst - best of the means: {spreads}",
        )

    def _width(self, evidence: Evidence, cells: Sequence[str], seeds: Sequence[int]) -> Finding:
        table = error_table(evidence, cells, seeds)
        best, worst = (cells[int(pick(table.mean(axis=0)))] for pick in (np.argmin, np.argmax))
        fewer, _ = compare_cells(evidence, best, worst, TEST_ERRORS, seeds)
        spread = -fewer.difference
        pairs = len(cells) * (len(cells) - 1) // 2
        p = None if fewer.p is None else min(1.0, 2 * fewer.p)
        significant = p is not None and p < DIRECTION_LEVEL / pairs
        verdict: Verdict = "inconclusive"
        if spread <= self.margin and len(seeds) >= _TWO_SIDES:
            verdict = "verified"
        elif spread > self.margin and significant:
            verdict = "falsified"
        difference = table[:, cells.index(worst)] - table[:, cells.index(best)]
        interval = (-fewer.interval[1], -fewer.interval[0]) if fewer.interval else None
        name = "mean difference (95 %)" if interval else ""
        values = tuple(zip(seeds, difference.tolist(), strict=True))
        return Finding(verdict, tuple(cells), values, spread, interval, name, p, significant, fewer.test)


@dataclass(frozen=True)
class BestBetween:
    """At one width, temperatures in a range beat both the lower and the higher ones."""

    hidden_units: int
    low: float
    high: float

    kind = "range"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"at D = {self.hidden_units}, the mean errors of a seed over the temperatures in [{self.low:g}, "
            f"{self.high:g}], paired with those over the lower and over the higher ones (one-sided t tests, "
            f"p < {DIRECTION_LEVEL / 2} each); verified: fewer than both; falsified: more than either; else "
            "inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that every temperature of the width has; see `text`."""
        cells = evidence.grid().get(self.hidden_units, {})
        groups = [list(group.values()) for group in by_range(cells, self.low, self.high)]
        seeds = common_seeds(evidence, list(cells.values()))
        if not (all(groups) and seeds):
            return temperatures_missing(self.hidden_units, self.low, self.high)
        inside, lower, higher = (error_table(evidence, group, seeds).mean(axis=1) for group in groups)
        sides = [paired_test(list(inside), list(outside), alternative="less") for outside in (lower, higher)]
        backwards = [
            paired_test(list(inside), list(outside), alternative="greater") for outside in (lower, higher)
        ]
        level = DIRECTION_LEVEL / len(sides)
        verdict: Verdict = "inconclusive"
        if all(side.significant(level) for side in sides):
            verdict = "verified"
        elif any(side.significant(level) for side in backwards):
            verdict = "falsified"
        ps = [side.p for side in sides if side.p is not None]
        difference = inside - (lower + higher) / 2
        return differs(
            verdict,
            cells.values(),
            seeds,
            difference,
            p=max(ps) if len(ps) == len(sides) else None,
            test="two paired t tests over seeds (the larger p)",
            note=f"mean difference to the lower temperatures {sides[0].difference:+.1f}, "
            f"to the higher {sides[1].difference:+.1f}",
        )


@dataclass(frozen=True)
class HigherIsBetter:
    """At every width, errors fall as the temperature rises."""

    kind = "direction"
    text = (
        "Page's test over seeds that errors fall from each temperature to the next higher, for every D with "
        f"three temperatures or more; verified: p < {DIRECTION_LEVEL} at every D; falsified: errors rise at "
        f"any D, p < {DIRECTION_LEVEL}; else inconclusive (always with one seed)"
    )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge every width that has three temperatures; see `text`."""
        widths, notes, falling, rising = [], [], [], []
        for hidden, by_temperature in evidence.grid().items():
            cells = list(by_temperature.values())
            seeds = common_seeds(evidence, cells)
            if len(cells) < _FEWEST_TEMPERATURES or not seeds:
                continue
            found = trend(error_table(evidence, cells, seeds))
            widths.append((cells, seeds))
            falling.append(found.p_decreasing)
            rising.append(found.p_increasing)
            p = "" if found.p_decreasing is None else f" (p = {found.p_decreasing:.2g})"
            notes.append(f"D = {hidden}: {found.rank_correlation:+.2f}{p}")
        if not widths:
            return nothing((), "no D has three temperatures with common seeds")
        verdict: Verdict = "inconclusive"
        if all(p is not None and p < DIRECTION_LEVEL for p in falling):
            verdict = "verified"
        elif any(p is not None and p < DIRECTION_LEVEL for p in rising):
            verdict = "falsified"
        seeds = sorted(set.intersection(*(set(seeds) for _, seeds in widths)))
        values = tuple(
            (
                seed,
                float(
                    np.mean(
                        [trend(error_table(evidence, cells, [seed])).rank_correlation for cells, _ in widths]
                    )
                ),
            )
            for seed in seeds
        )
        ps = [p for p in falling if p is not None]
        return Finding(
            verdict,
            tuple(cell for cells, _ in widths for cell in cells),
            values,
            p=max(ps) if len(ps) == len(falling) else None,
            significant=verdict == "verified",
            test="Page's test (the largest p)",
            note="mean rank correlation of errors with temperature: " + "; ".join(notes),
        )


def by_range(
    cells: Mapping[float, str], low: float, high: float
) -> tuple[dict[float, str], dict[float, str], dict[float, str]]:
    """Return the cells whose temperatures are in [low, high], those below it and those above it."""
    return (
        {temperature: cell for temperature, cell in cells.items() if low <= temperature <= high},
        {temperature: cell for temperature, cell in cells.items() if temperature < low},
        {temperature: cell for temperature, cell in cells.items() if temperature > high},
    )


def differs(
    verdict: Verdict,
    cells: Iterable[str],
    seeds: Sequence[int],
    differences: NDArray[np.float64],
    *,
    p: float | None,
    test: str,
    note: str,
) -> Finding:
    """The finding of differences, float [seeds], between the errors at some temperatures and at others."""
    return Finding(
        verdict,
        tuple(cells),
        tuple(zip(seeds, differences.tolist(), strict=True)),
        float(differences.mean()),
        p=p,
        significant=verdict == "verified",
        test=test,
        note=note,
    )


def temperatures_missing(hidden_units: int, low: float, high: float) -> Finding:
    """The finding where a width has no runs below a range of temperatures, in it or above it."""
    return nothing(
        (),
        f"D = {hidden_units} needs temperatures below, in and above [{low:g}, {high:g}] with common seeds",
    )


def hot_widths(
    evidence: Evidence, narrowest: int, above: float
) -> Iterator[tuple[int, list[str], list[int]]]:
    """Yield each width from `narrowest` on, its cells above a temperature, two or more, and their seeds."""
    for hidden, by_temperature in evidence.grid().items():
        hot = [cell for temperature, cell in by_temperature.items() if temperature > above]
        seeds = common_seeds(evidence, hot)
        if hidden >= narrowest and len(hot) >= _TWO_SIDES and seeds:
            yield hidden, hot, seeds


def hot_missing(narrowest: int, above: float) -> Finding:
    """The finding where `hot_widths` yields none."""
    return nothing((), f"there are no two temperatures above {above:g} at D >= {narrowest}")


def common_seeds(evidence: Evidence, cells: Sequence[str]) -> list[int]:
    """Seeds that every one of the cells has, ascending."""
    if not cells:
        return []
    return sorted(set.intersection(*(set(evidence.runs(cell)) for cell in cells)))


def error_table(evidence: Evidence, cells: Sequence[str], seeds: Sequence[int]) -> NDArray[np.float64]:
    """Test errors, float [seeds, cells]."""
    rows = [[TEST_ERRORS.of(evidence.runs(cell)[seed]) for cell in cells] for seed in seeds]
    return np.asarray(rows, dtype=np.float64)
