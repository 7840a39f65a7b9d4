"""Shared parts of all figures of MNIST: the axis of errors, marks of a mean, stamps, and the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from distillkit.workbench.compare.figure_style import INK, RED, figure_style, image
from distillkit.workbench.results.atomic import write_atomically

FIGURE_KINDS = ("png", "svg")


def write_figure(folder: Path, name: str, draw: Callable[[], Figure | None]) -> bool:
    """Write one figure to `folder`/figures, as PNG and SVG, atomically; where it is None, remove its files.

    Args:
        folder: the output folder.
        name: of the files, without their endings.
        draw: draws it, in the style of all figures.

    Returns:
        Whether there is one.
    """
    with figure_style():
        figure = draw()
        for kind in FIGURE_KINDS:
            file = folder / "figures" / f"{name}.{kind}"
            if figure is None:
                file.unlink(missing_ok=True)
            else:
                write_atomically(file, image(figure, kind))
    return figure is not None


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
