"""Figure of H4: test errors against the temperature, a panel a width, with bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.figures.style import stamp, subtitle
from distillkit.workbench.compare.figure_style import BLUE, GREY, new_figure
from distillkit.workbench.statistics.summaries import summarise

_CLAIMED = "#F2E6C9"
_SHOWN = (1, 2, 4, 10, 20, 50, 100)


def figure_temperature(evidence: Evidence) -> Figure | None:
    """Draw the mean over seeds with its 95 % interval, every run as a dot, and hard labels alone as a line.

    The temperatures that the paper speaks of are shaded: 2.5 to 4 at 30 units a layer, above 8 from 300 on.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None when no width has two temperatures.
    """
    grid = {hidden: cells for hidden, cells in evidence.grid().items() if len(cells) > 1}
    if not grid:
        return None
    columns = min(3, len(grid))
    rows = -(-len(grid) // columns)
    figure = new_figure(max(4.6, 3.4 * columns), 0.9 + 2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (hidden, cells) in zip(panels, grid.items(), strict=False):
        _panel(axes, evidence, hidden, cells)
    for axes in panels[len(grid) :]:
        axes.set_axis_off()
    panels[0].set_ylabel("test errors (of 10,000)")
    shown = [cell for cells in grid.values() for cell in cells.values()]
    title = f"Errors by temperature and width: {subtitle(evidence, shown)}"
    figure.suptitle(title, fontweight="bold", fontsize=11)
    figure.legend(handles=_handles(), loc="outside lower center", ncols=2)
    stamp(figure, evidence)
    return figure


def _panel(axes: Axes, evidence: Evidence, hidden: int, cells: dict[float, str]) -> None:
    temperatures = np.asarray(list(cells), dtype=np.float64)
    low, high = temperatures.min() / 1.25, temperatures.max() * 1.25
    if hidden == 30:
        axes.axvspan(2.5, 4, color=_CLAIMED, zorder=0)
    elif hidden >= 300:
        axes.axvspan(8, high, color=_CLAIMED, zorder=0)
    runs = [list(evidence.values(cell, TEST_ERRORS).values()) for cell in cells.values()]
    _band(axes, temperatures, runs, BLUE)
    for temperature, values in zip(temperatures, runs, strict=True):
        axes.plot([temperature] * len(values), values, ".", color=BLUE, alpha=0.35, markersize=4, zorder=2)
    baseline = list(evidence.values(f"D{hidden}-noKD", TEST_ERRORS).values())
    if baseline:
        ends = np.asarray([low, high])
        _band(axes, ends, [baseline, baseline], GREY)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([one for one in _SHOWN if low <= one <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("temperature T")
    axes.set_title(f"D = {hidden}")


def _band(axes: Axes, places: np.ndarray, runs: Sequence[Sequence[float]], colour: str) -> None:
    found = [summarise(values) for values in runs]
    means = [one.mean for one in found]
    axes.plot(places, means, color=colour, linewidth=1.8, zorder=3)
    intervals = [one.interval for one in found if one.interval is not None]
    if len(intervals) == len(found):
        lower, upper = zip(*intervals, strict=True)
        axes.fill_between(places, lower, upper, color=colour, alpha=0.18, linewidth=0, zorder=1)


def _handles() -> list[Line2D | Patch]:
    return [
        Line2D(
            [], [], color=BLUE, linewidth=1.8, marker=".", label="distilled: mean, 95 % interval, every seed"
        ),
        Line2D([], [], color=GREY, linewidth=1.8, label="hard labels alone"),
        Patch(color=_CLAIMED, label="temperatures that the paper speaks of"),
    ]
