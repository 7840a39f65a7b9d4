"""How the experiments' figures show several seeds: each faintly, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from distillkit.mnist.drawing import mean_mark
from distillkit.workbench.statistics.summaries import summarise

Dashes = Literal["-", "--", "-.", ":"]
_HALF_WIDTH = 0.16
_ASIDE = 0.3


def lines(
    axes: Axes,
    x: Sequence[float],
    by_seed: Sequence[Sequence[float | None]],
    colour: str,
    *,
    dashes: Dashes = "-",
    marker: str = "o",
    label: str | None = None,
) -> None:
    """A thin line for each seed and a thick one for their mean.

    Args:
        axes: Where.
        x: One for each point.
        by_seed: `[seeds][points]`; where one is missing the mean has a gap.
        colour: Of all.
        dashes: Matplotlib's line style of the mean.
        marker: Of the mean's points.
        label: For a legend.
    """
    table = np.asarray(by_seed, dtype=np.float64)
    for values in table if len(table) > 1 else ():
        axes.plot(x, values, color=colour, linewidth=0.7, alpha=0.4, zorder=2)
    axes.plot(
        x,
        table.mean(axis=0),
        color=colour,
        linewidth=1.9,
        linestyle=dashes,
        marker=marker,
        markersize=4,
        label=label,
        zorder=3,
    )


def dots(axes: Axes, place: float, values: Sequence[float], colour: str) -> None:
    """A dot for each seed and, on their right, mean ± sd where there are several.

    Args:
        axes: Where; places are whole numbers.
        place: On the horizontal axis.
        values: One a seed.
        colour: Of the dots.
    """
    offsets = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(place + offsets, values, "o", color=colour, markersize=5.5, markeredgecolor="white", zorder=3)
    summary = summarise(values)
    if summary.sd is not None:
        # an end below 0 would be nowhere on a logarithmic axis
        low = summary.mean - summary.sd if summary.mean > summary.sd else min(values) / 2
        mean_mark(axes, place + _ASIDE, summary.mean, low, summary.mean + summary.sd)


def places(axes: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, … of the horizontal axis and rule lines between them."""
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.grid(visible=False, axis="x")
    for place in range(1, len(names)):
        axes.axvline(place - 0.5, color="#E4E4E4", linewidth=0.7, zorder=0)
