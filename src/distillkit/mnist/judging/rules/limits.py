"""Rules of acceptance for what the experiments find: gradients in a limit, and the accuracy that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Verdict
from distillkit.mnist.judging.rules.numbers import NUMBER_LEVEL, Finding, nothing
from distillkit.workbench.statistics.summaries import paired_test, summarise

HIGH = 100.0
"""From this T on gradients are held against their limit.

A softmax at T is linear in the logits but for terms of a relative size of R/T, R being the range of a case's
logits. Of a net that has learnt ten classes that is 20 to 30, so below T = 30 no limit can be seen; from
T = 100 on, what is left of those terms moves a slope by a few hundredths."""
TOLERANCE = 0.1
"""The tolerance of a slope about its limit: twice what those terms leave."""


@dataclass(frozen=True)
class FallsAsInverseSquare:
    """Without T² the gradient of the soft targets falls as 1/T², and with it it stays."""

    experiment: str

    kind = "slope"
    text = (
        f"the slope of log length over log T, from T = {HIGH:g} on, of the gradient of the soft targets with "
        "respect to a case's logits (the mean length over the cases), at an untrained and at a trained "
        f"student; verified: on every seed within {TOLERANCE:g} of −2 without T² and of 0 with it; "
        "falsified: on the mean of the seeds one is further off; else inconclusive"
    )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds of the experiment; see `text`."""
        runs = evidence.runs(self.experiment)
        students = [list(run["found"]["students"].values()) for run in runs.values()]
        if not students:
            return nothing([self.experiment])
        without, within = (
            [_furthest([one["slope"][kind]["logits"] for one in each], limit) for each in students]
            for kind, limit in (("without_t_squared", -2.0), ("with_t_squared", 0.0))
        )
        off = [max(abs(one + 2), abs(other)) for one, other in zip(without, within, strict=True)]
        mean = float(np.mean(without))
        summary = summarise(without)
        return Finding(
            _verdict([one <= TOLERANCE for one in off], np.mean(off) <= TOLERANCE),
            (self.experiment,),
            tuple(zip(runs, without, strict=True)),
            mean + 2,
            summary.interval,
            "mean over seeds (95 %)" if summary.interval else "",
            note=f"the furthest of the students; with T² the slope is {_rounded(np.mean(within))}",
        )


@dataclass(frozen=True)
class ApproachesMatching:
    """The gradient of the soft targets, times T², goes to that of matching centred logits."""

    experiment: str
    at: float
    closest: float

    kind = "limit"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            "how far T² times the gradient of the soft targets is from that of matching logits, centred case "
            "by case, relative to the length of the latter; with respect to the logits, at an untrained and "
            f"at a trained student; verified: on every seed it falls from T = {HIGH:g} on with a slope of "
            f"log over log T within {TOLERANCE:g} of −1, and at T = {self.at:g} it is under "
            f"{self.closest:.0%}; falsified: the mean slope over the seeds is another; else inconclusive"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds of the experiment; see `text`."""
        runs = evidence.runs(self.experiment)
        if not runs:
            return nothing([self.experiment])
        slopes, distances = [], []
        for run in runs.values():
            temperatures = run["found"]["temperatures"]
            by_student = [
                one["centred"]["logits"]["relative_l2"] for one in run["found"]["students"].values()
            ]
            slopes.append(_furthest([_slope(temperatures, values) for values in by_student], -1.0))
            distances.append(max(values[temperatures.index(self.at)] for values in by_student))
        fell = [abs(slope + 1) <= TOLERANCE for slope in slopes]
        near = [distance < self.closest for distance in distances]
        summary = summarise([100 * one for one in distances])
        return Finding(
            _verdict(
                [one and other for one, other in zip(fell, near, strict=True)],
                abs(np.mean(slopes) + 1) <= TOLERANCE,
            ),
            (self.experiment,),
            tuple((seed, 100 * one) for seed, one in zip(runs, distances, strict=True)),
            None,
            summary.interval,
            "mean over seeds (95 %)" if summary.interval else "",
            note=f"per cent apart at T = {self.at:g}, the furthest of the students; slope "
            f"{_rounded(np.mean(slopes))}",
        )


@dataclass(frozen=True)
class AccuracyKept:
    """A network keeps no smaller a share of another's accuracy than was published."""

    first: str
    second: str

    kind = "gain"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"the accuracy of {self.first} over that of {self.second}; verified: at least the published "
            "share on the mean of the seeds, or not significantly less (one-sided t test over seeds, "
            f"p < {NUMBER_LEVEL}); falsified: significantly less; inconclusive: less with one seed"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that have both; see `text`."""
        first, second = evidence.runs(self.first), evidence.runs(self.second)
        seeds = [seed for seed in first if seed in second]
        if not seeds or published is None:
            return nothing([cell for cell in (self.first, self.second) if not evidence.runs(cell)])
        shares = [_accuracy(first[seed]) / _accuracy(second[seed]) for seed in seeds]
        less = paired_test(shares, [published] * len(shares), alternative="less")
        verdict: Verdict = "verified"
        if less.difference < 0 and less.p is None:
            verdict = "inconclusive"
        elif less.significant(NUMBER_LEVEL):
            verdict = "falsified"
        summary = summarise(shares)
        return Finding(
            verdict,
            (self.first, self.second),
            tuple(zip(seeds, shares, strict=True)),
            less.difference,
            summary.interval,
            "mean over seeds (95 %)" if summary.interval else "",
            less.p,
            less.significant(NUMBER_LEVEL),
            "t test over seeds",
            f"accuracy {np.mean([_accuracy(first[seed]) for seed in seeds]):.2%} of "
            f"{np.mean([_accuracy(second[seed]) for seed in seeds]):.2%}",
        )


def _verdict(on_seeds: Sequence[bool], on_the_mean: bool | np.bool_) -> Verdict:
    if all(on_seeds):
        return "verified"
    return "inconclusive" if on_the_mean else "falsified"


def _furthest(values: Sequence[float], limit: float) -> float:
    return max(values, key=lambda value: abs(value - limit))


def _slope(temperatures: Sequence[float], values: Sequence[float]) -> float:
    pairs = [(t, value) for t, value in zip(temperatures, values, strict=True) if t >= HIGH]
    logs = np.log(np.asarray(pairs))
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def _rounded(slope: np.floating[Any]) -> str:
    return f"{round(float(slope), 2) + 0.0:.2f}"  # no −0


def _accuracy(run: Any) -> float:
    return float(1 - run["test_errors"] / run["cases"])
