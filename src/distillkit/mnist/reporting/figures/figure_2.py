"""Figure 2: test errors by epoch and temperature, and final errors by temperature; a column a width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from distillkit.mnist.drawing import error_axis, mean_mark
from distillkit.mnist.judging.evidence import Evidence, student_of
from distillkit.mnist.judging.published import figure_2_id, published_numbers
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.figures.style import curve_table, stamp, subtitle
from distillkit.workbench.compare.figure_style import GREY, INK, RED, new_figure
from distillkit.workbench.statistics.summaries import summarise

_HALF_WIDTH = 0.19
_ASIDE = 0.35
"""The published number stands on the left of the dots, mean and sd on their right."""
_MOST_LINES = 4
Columns = Mapping[int, Sequence[tuple[float | None, str]]]
"""Hidden units -> (temperature, cell), no distillation (None) first."""


def figure_2(evidence: Evidence) -> Figure | None:
    """Draw the grid of widths and temperatures, whatever part of it there is.

    Above: the median over seeds by epoch, with each seed as a thin line (a mean would lie where no run is
        when some runs have
    a dead output unit). Below: every run as a dot, mean ± sd, the report's numbers, and the classes never
    predicted.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None when there is no student on the full transfer set.
    """
    columns = _columns(evidence)
    if not columns:
        return None
    colours = _colours(columns)
    figure = new_figure(max(5.4, 1.0 + 4.1 * len(columns)), 8.2)
    grid = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    for index, (hidden, cells) in enumerate(columns.items()):
        _by_epoch(grid[0, index], evidence, cells, colours)
        _by_temperature(grid[1, index], evidence, cells, colours)
        grid[0, index].set_title(f"D = {hidden}")
    _scale(grid, evidence, columns)
    grid[0, 0].set_ylabel("test errors: median and each seed, log scale")
    grid[1, 0].set_ylabel("test errors after the last epoch, log scale")
    narrow = len(columns) == 1
    shown = [name for cells in columns.values() for _, name in cells]
    above = _line_handles(evidence, colours)
    # As the legend's title, since a title of the figure would be written over the legend.
    figure.legend(
        handles=above,
        loc="outside upper center",
        ncols=4 if narrow else len(above),
        title=f"Test errors by temperature and width{chr(10) if narrow else ': '}{subtitle(evidence, shown)}",
        title_fontproperties={"weight": "bold", "size": 11},
    )
    below = _dot_handles(evidence, columns)
    figure.legend(handles=below, loc="outside lower center", ncols=2 if narrow else len(below))
    stamp(figure, evidence)
    return figure


def _columns(evidence: Evidence) -> Columns:
    columns: dict[int, list[tuple[float | None, str]]] = {}
    for name in evidence.cells:  # ascending, see evidence.cell_order
        student = student_of(name)
        if student is not None:
            columns.setdefault(student[0], []).append((student[1], name))
    return columns


def _colours(columns: Columns) -> dict[float | None, ColorType]:
    temperatures = sorted({t for cells in columns.values() for t, _ in cells if t is not None})
    logs = np.log(temperatures) if temperatures else np.zeros(0)
    span = float(np.ptp(logs)) if len(logs) > 1 else 1.0
    # The end of viridis is too pale for lines on white.
    places = 0.88 * (logs - logs.min(initial=np.inf)) / span if len(logs) else logs
    viridis = mpl.colormaps["viridis"]
    return {None: INK, **{t: viridis(float(place)) for t, place in zip(temperatures, places, strict=True)}}


def _by_epoch(
    axes: Axes,
    evidence: Evidence,
    cells: Sequence[tuple[float | None, str]],
    colours: Mapping[float | None, ColorType],
) -> None:
    lines = [(name, colours[temperature], "-") for temperature, name in cells]
    for name, colour, dashes in [*lines, ("teacher", GREY, (0, (5, 2)))]:
        table = curve_table(list(evidence.runs(name).values()))
        epochs = np.arange(1, table.shape[1] + 1)
        for curve in table if len(table) > 1 else ():
            axes.plot(epochs, curve, color=colour, linewidth=0.6, alpha=0.22, zorder=2)
        # One epoch has no line: a dot.
        marker = "o" if table.shape[1] == 1 else ""
        if table.size:
            axes.plot(
                epochs,
                np.median(table, axis=0),
                color=colour,
                linewidth=1.6,
                linestyle=dashes,
                marker=marker,
                zorder=3,
            )
    axes.set_xlabel("epoch")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _by_temperature(
    axes: Axes,
    evidence: Evidence,
    cells: Sequence[tuple[float | None, str]],
    colours: Mapping[float | None, ColorType],
) -> None:
    for place, (temperature, name) in enumerate(cells):
        runs = evidence.runs(name)
        offsets = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, len(runs)) if len(runs) > 1 else np.zeros(1)
        for offset, run in zip(offsets, runs.values(), strict=True):
            dead = bool(run["never_predicted"])
            axes.plot(
                place + offset,
                max(1.0, TEST_ERRORS.of(run)),
                "o",
                markersize=5.5,
                markerfacecolor="white" if dead else colours[temperature],
                markeredgecolor=RED if dead else "white",
                markeredgewidth=1.4 if dead else 0.5,
                zorder=3,
            )
        summary = summarise([TEST_ERRORS.of(run) for run in runs.values()])
        if summary.sd is not None:
            low = max(1.0, summary.mean - summary.sd)
            mean_mark(axes, place + _ASIDE, summary.mean, low, summary.mean + summary.sd)
        published = _published(evidence, name)
        if published is not None:
            axes.plot(
                place - _ASIDE, published, "x", color=INK, markersize=7.5, markeredgewidth=1.8, zorder=4
            )
        axes.annotate(
            _dead_words(evidence, name),
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=7,
            color=RED,
            linespacing=1.15,
        )
    axes.set_xticks(range(len(cells)), ["no KD" if t is None else f"{t:g}" for t, _ in cells])
    axes.set_xlim(-0.6, len(cells) - 0.4)
    axes.set_xlabel("temperature T")
    axes.grid(visible=False, axis="x")
    for place in range(1, len(cells)):
        axes.axvline(place - 0.5, color="#E4E4E4", linewidth=0.7, zorder=0)


def _dead_words(evidence: Evidence, name: str) -> str:
    """The sets of classes never predicted, a line each, with the number of runs."""
    runs = evidence.runs(name).values()
    counts = Counter(tuple(run["never_predicted"]) for run in runs if run["never_predicted"])
    lines = [
        "{" + ",".join(map(str, classes)) + "}" + (f"×{count}" if count > 1 else "")
        for classes, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"+{len(lines) - _MOST_LINES + 1} more"]
    return "\n".join(lines)


def _scale(grid: object, evidence: Evidence, columns: Columns) -> None:
    table = np.asarray(grid, dtype=object)
    names = [name for cells in columns.values() for _, name in cells]
    curves = [curve_table(list(evidence.runs(name).values())).ravel() for name in ("teacher", *names)]
    ends = [value for name in names for value in evidence.values(name, TEST_ERRORS).values()]
    known = [_published(evidence, name) for name in names]
    seen = np.concatenate([*curves, np.asarray(ends)])
    error_axis(table[0, 0], list(seen))
    # Room for the lines of dead classes above the dots.
    lines = max(_dead_words(evidence, name).count("\n") + bool(_dead_words(evidence, name)) for name in names)
    error_axis(
        table[1, 0], [*ends, *(value for value in known if value is not None)], headroom=0.05 + 0.05 * lines
    )


def _published(evidence: Evidence, name: str) -> float | None:
    if evidence.is_stand_in:
        return None
    hidden, _, run = name.partition("-")
    number = published_numbers().get(figure_2_id(int(hidden[1:]), run))
    return None if number is None else number.value


def _line_handles(evidence: Evidence, colours: Mapping[float | None, ColorType]) -> list[Line2D]:
    names = evidence.cells
    handles = (
        [Line2D([], [], color=INK, label="no KD")] if any(name.endswith("-noKD") for name in names) else []
    )
    handles += [
        Line2D([], [], color=colour, linewidth=2, label=f"T = {t:g}")
        for t, colour in colours.items()
        if t is not None
    ]
    if "teacher" in names:
        handles.append(Line2D([], [], color=GREY, linestyle=(0, (5, 2)), label="teacher"))
    return handles


def _dot_handles(evidence: Evidence, columns: Columns) -> list[Line2D]:
    names = [name for cells in columns.values() for _, name in cells]
    handles = [Line2D([], [], color=GREY, marker="o", linestyle="", label="one run")]
    if any(len(evidence.runs(name)) > 1 for name in names):
        handles.append(Line2D([], [], color=INK, marker="_", markersize=13, linestyle="", label="mean ± sd"))
    if any(_dead_words(evidence, name) for name in names):
        handles.append(
            Line2D(
                [],
                [],
                color=RED,
                marker="o",
                markerfacecolor="white",
                linestyle="",
                label="run that never predicts the classes in {braces}",
            )
        )
    if any(_published(evidence, name) is not None for name in names):
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="x",
                markeredgewidth=1.8,
                linestyle="",
                label="published (2025 report, epoch 25)",
            )
        )
    return handles
