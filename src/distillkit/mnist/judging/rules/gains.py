"""Rules of acceptance for how much of a better net's gain a distilled one keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Verdict
from distillkit.mnist.judging.rules.numbers import DIRECTION_LEVEL, NUMBER_LEVEL, Finding, nothing
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.workbench.statistics.summaries import Comparison, paired_test


@dataclass(frozen=True)
class _Gain:
    """The gain over single nets, seed by seed, and the share of it that a distilled net keeps."""

    cells: tuple[str, ...]
    seeds: Sequence[int]
    whole: NDArray[np.float64]
    kept: NDArray[np.float64]
    note: str

    def shares(self) -> tuple[tuple[int, float], ...]:
        """(seed, share kept) where anything is gained."""
        return tuple(
            (seed, float(kept / whole))
            for seed, whole, kept in zip(self.seeds, self.whole, self.kept, strict=True)
            if whole > 0
        )

    def finding(self, verdict: Verdict, test: Comparison, level: float) -> Finding:
        """The finding of a test on these."""
        return Finding(
            verdict,
            self.cells,
            self.shares(),
            p=test.p,
            significant=test.significant(level),
            test=test.test,
            note=self.note,
        )


def _gain(evidence: Evidence, single: Sequence[str], better: str, distilled: str) -> _Gain | Finding:
    cells = (*single, better, distilled)
    seeds = [seed for seed in evidence.seeds if all(seed in evidence.runs(cell) for cell in cells)]
    if not seeds:
        return nothing([cell for cell in cells if not evidence.runs(cell)][:3] or cells)
    of_single, of_better, of_distilled = (
        np.array([[TEST_ERRORS.of(evidence.runs(cell)[seed]) for cell in group] for seed in seeds]).mean(
            axis=1
        )
        for group in (single, [better], [distilled])
    )
    note = (
        f"test errors of one net {of_single.mean():.1f}, of the better {of_better.mean():.1f}, of the "
        f"distilled {of_distilled.mean():.1f}"
    )
    return _Gain(cells, seeds, of_single - of_better, of_single - of_distilled, note)


@dataclass(frozen=True)
class GainKept:
    """A distilled net keeps more than a share of what an ensemble gains over its members."""

    members: tuple[str, ...]
    ensemble: str
    distilled: str
    share: float

    kind = "gain"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"the gain is the mean test errors of the members less those of {self.ensemble}; verified: the "
            f"members' mean less those of {self.distilled} is more than {self.share:.0%} of it (paired over "
            f"seeds, one-sided t test, p < {DIRECTION_LEVEL}); falsified: less, p < {DIRECTION_LEVEL}; else "
            "inconclusive (always with one seed, and where the ensemble gains nothing)"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that have the ensemble, all its members and the net; see `text`."""
        gain = _gain(evidence, self.members, self.ensemble, self.distilled)
        if isinstance(gain, Finding):
            return gain
        wanted = list(self.share * gain.whole)
        more = paired_test(list(gain.kept), wanted, alternative="greater")
        less = paired_test(list(gain.kept), wanted, alternative="less")
        verdict: Verdict = "inconclusive"
        if gain.whole.mean() > 0 and more.significant(DIRECTION_LEVEL):
            verdict = "verified"
        elif gain.whole.mean() > 0 and less.significant(DIRECTION_LEVEL):
            verdict = "falsified"
        return gain.finding(verdict, more, DIRECTION_LEVEL)


@dataclass(frozen=True)
class GapClosed:
    """A distilled student closes no less of the gap between baseline and teacher than was published."""

    baseline: str
    teacher: str
    distilled: str

    kind = "gain"

    @property
    def text(self) -> str:
        """The rule in words."""
        return (
            f"the gap is the test errors of {self.baseline} less those of {self.teacher}; verified: "
            f"{self.distilled} closes at least the published share of it on the mean of the seeds, or not "
            f"significantly less (paired over seeds, one-sided t test, p < {NUMBER_LEVEL}); falsified: "
            "significantly less; inconclusive: less with one seed, or no gap"
        )

    def find(self, evidence: Evidence, published: float | None) -> Finding:
        """Judge the seeds that have all three; see `text`."""
        gain = _gain(evidence, [self.baseline], self.teacher, self.distilled)
        if isinstance(gain, Finding) or published is None:
            return gain if isinstance(gain, Finding) else nothing(gain.cells)
        wanted = published * gain.whole
        less = paired_test(list(gain.kept), list(wanted), alternative="less")
        verdict: Verdict = "verified"
        if gain.whole.mean() <= 0 or (gain.kept.mean() < wanted.mean() and less.p is None):
            verdict = "inconclusive"
        elif less.significant(NUMBER_LEVEL):
            verdict = "falsified"
        return gain.finding(verdict, less, NUMBER_LEVEL)
