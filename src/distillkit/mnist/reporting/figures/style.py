"""Shared parts of the figures made from runs: curves, stamps and subtitles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from distillkit.mnist.drawing import stamp_with
from distillkit.mnist.judging.evidence import Evidence, Result


def curve_table(runs: Sequence[Result]) -> NDArray[np.float64]:
    """Test errors by epoch, float [runs with a curve, epochs], cut to the shortest run."""
    curves = [run["curve"]["test_errors"] for run in runs if run["curve"] and run["curve"]["test_errors"]]
    shortest = min(map(len, curves), default=0)
    return np.asarray([curve[:shortest] for curve in curves], dtype=np.float64).reshape(len(curves), shortest)


def stamp(figure: Figure, evidence: Evidence) -> None:
    """Write across a figure of these runs what it must not be taken for."""
    stamp_with(figure, is_stand_in=evidence.is_stand_in, quick=evidence.quick)


def subtitle(evidence: Evidence, shown: Iterable[str]) -> str:
    """Protocol and seeds in words, for the second line of a title.

    Args:
        evidence: the runs.
        shown: names of the cells, or the experiment, that the figure shows; those without runs do not count.
    """
    runs = [list(found) for name in shown if (found := evidence.runs(name))]
    seeds, fewest, most = runs[0], min(map(len, runs)), max(map(len, runs))
    if any(one != seeds for one in runs):
        which = f"{fewest} to {most} seeds each" if fewest < most else f"{most} seeds each"
    elif len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        which = f"seeds {seeds[0]} to {seeds[-1]}"
    else:
        which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return f"protocol {evidence.protocol}, {which}"
