"""Each loss's errors less those of hard labels alone, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.losses_compared.verdicts import verdicts
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure

_LINEAR = 100
"""Up to which difference the axis is linear; further out it is logarithmic."""
_TICKS = [0, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
_COLOURS = {"better": (BLUE, "o"), "no difference shown": (GREY, "s"), "worse": (ORANGE, "^")}


def losses_figure(lines: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw the differences, a row a loss, with their means and 95 % intervals; None of the baseline alone.

    Args:
        lines: Of students.
    """
    found = [one for one in verdicts(lines) if one.verdict != "baseline"]
    if not found:
        return None
    figure = new_figure(8.4, 1.4 + 0.24 * len(found))
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=1)
    for place, one in enumerate(found):
        colour, marker = _COLOURS[one.verdict]
        axes.plot(one.differences, [place] * len(one.differences), marker, color=colour, alpha=0.45, ms=4)
        mean, interval = one.against.difference, one.against.interval
        if interval is not None:
            axes.plot(interval, [place, place], color=colour, linewidth=1.4)
        axes.plot([mean], [place], "|", color=INK, ms=9)
    axes.set_yticks(range(len(found)), [one.name for one in found])
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=_LINEAR)
    furthest = max(abs(each) for one in found for each in one.differences)
    ticks = [tick for tick in _TICKS if tick <= max(furthest, _LINEAR)]
    axes.xaxis.set_major_locator(FixedLocator([-tick for tick in ticks] + ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+,.0f}" if value else "0"))
    axes.set_xlabel(
        f"test errors less those of hard labels alone, same seed (linear between −{_LINEAR} and {_LINEAR})"
    )
    axes.set_title("Every loss against hard labels alone", loc="left")
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=verdict)
        for verdict, (colour, marker) in _COLOURS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
