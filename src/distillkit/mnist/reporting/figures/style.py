"""What the figures of MNIST share: the axis of errors, marks of a mean, curves, and stamps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from distillkit.mnist.judging.evidence import Evidence, Result
from distillkit.workbench.compare.figure_style import INK, RED


def error_axis(axes: Axes, values: Sequence[float], *, headroom: float = 0.0) -> None:
    """A logarithmic axis of test errors with plain numbers, a little wider than the values.

    Args:
        axes: where.
        values: everything that must be seen; values below 1 count as 1.
        headroom: share of the axis that is left free above the values.
    """
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1.0))
    low, high = float(logs.min()), float(logs.max())
    margin = max(0.07 * (high - low), (np.log(1.5) - (high - low)) / 2)
    bottom = low - margin
    top = bottom + (high + margin - bottom) / (1 - headroom)
    axes.set_yscale("log")
    axes.set_ylim(float(np.exp(bottom)), float(np.exp(top)))
    axes.yaxis.set_major_locator(FixedLocator(_ticks(bottom, top)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def mean_mark(axes: Axes, place: float, mean: float, low: float, high: float) -> None:
    """Mark a mean and the ends of its spread at a place of the horizontal axis."""
    axes.errorbar(
        place,
        mean,
        yerr=[[mean - low], [high - mean]],
        fmt="_",
        color=INK,
        markersize=9,
        capsize=3,
        linewidth=1.1,
        zorder=2,
    )


def curve_table(runs: Sequence[Result]) -> NDArray[np.float64]:
    """Test errors by epoch, float [runs with a curve, epochs], cut to the shortest run."""
    curves = [run["curve"]["test_errors"] for run in runs if run["curve"] and run["curve"]["test_errors"]]
    shortest = min(map(len, curves), default=0)
    return np.asarray([curve[:shortest] for curve in curves], dtype=np.float64).reshape(len(curves), shortest)


def stamp(figure: Figure, evidence: Evidence) -> None:
    """Write across a figure of these runs what it must not be taken for."""
    stamp_with(figure, is_stand_in=evidence.is_stand_in, quick=evidence.quick)


def stamp_with(figure: Figure, *, is_stand_in: bool, quick: bool) -> None:
    """Write across a figure that it shows no MNIST, or a quick run; nothing where neither is so."""
    words = []
    if is_stand_in:
        words.append("STAND-IN DATA, NOT MNIST")
    if quick:
        words.append("QUICK RUN")
    if words:
        figure.text(
            0.5,
            0.5,
            "\n".join(words),
            rotation=18,
            ha="center",
            va="center",
            fontsize=2.6 * mpl.rcParams["font.size"] * float(figure.get_figwidth()) / 7.5,
            color=RED,
            alpha=0.28,
            weight="bold",
            zorder=100,
            in_layout=False,
        )


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


def _ticks(bottom: float, top: float) -> list[float]:
    # The densest set whose numbers do not touch.
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        ticks = [step * 10.0**power for power in range(5) for step in steps]
        inside = [tick for tick in ticks if bottom <= np.log(tick) <= top]
        if 3 <= len(inside) <= 8:
            return inside
    # A narrow range: whole steps, as on a linear axis.
    return [float(tick) for tick in MaxNLocator(5, integer=True).tick_values(np.exp(bottom), np.exp(top))][
        1:-1
    ]
