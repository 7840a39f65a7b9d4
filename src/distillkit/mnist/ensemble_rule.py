"""The rule of acceptance for an ensemble that is distilled into one net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distillkit.experiments.statistics import paired_test
from distillkit.mnist.evidence import METRICS, Evidence
from distillkit.mnist.published import TEST_ERRORS
from distillkit.mnist.rules import DIRECTION_LEVEL, Finding, Verdict, nothing


@dataclass(frozen=True)
class GainKept:
    """One net keeps more than a share of what an ensemble gains over its members."""

    members: str
    """What the names of the members' cells begin with."""
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
        errors = METRICS[TEST_ERRORS]
        members = [cell for cell in evidence.cells if cell.startswith(self.members)]
        cells = (*members, self.ensemble, self.distilled)
        seeds = [seed for seed in evidence.seeds if all(seed in evidence.runs(cell) for cell in cells)]
        if not members or not seeds:
            return nothing(cells if members else (f"{self.members}…", self.ensemble, self.distilled))
        single, ensemble, distilled = (
            np.array([[errors.of(evidence.runs(cell)[seed]) for cell in group] for seed in seeds]).mean(
                axis=1
            )
            for group in (members, [self.ensemble], [self.distilled])
        )
        gain, kept = single - ensemble, single - distilled
        more = paired_test(list(kept), list(self.share * gain), alternative="greater")
        less = paired_test(list(kept), list(self.share * gain), alternative="less")
        verdict: Verdict = "inconclusive"
        if gain.mean() > 0 and more.significant(DIRECTION_LEVEL):
            verdict = "verified"
        elif gain.mean() > 0 and less.significant(DIRECTION_LEVEL):
            verdict = "falsified"
        shares = kept / np.where(gain > 0, gain, np.nan)
        known = [(seed, float(one)) for seed, one in zip(seeds, shares, strict=True) if np.isfinite(one)]
        return Finding(
            verdict,
            cells,
            tuple(known),
            p=more.p,
            significant=more.significant(DIRECTION_LEVEL),
            test=more.test,
            note=f"test errors of a member {single.mean():.1f}, of the ensemble {ensemble.mean():.1f}, of "
            f"the net {distilled.mean():.1f}",
        )
