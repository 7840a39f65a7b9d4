"""Figure 1: test errors by epoch of the teacher and of the student with and without distillation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.published import published_numbers
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS
from distillkit.mnist.reporting.figures.style import curve_table, stamp, subtitle
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure
from distillkit.workbench.statistics.summaries import summarise
from distillkit.workbench.statistics.writing import mean_and_spread

_Dashes = Literal["-"] | tuple[float, Sequence[float]]
_LINES: tuple[tuple[str, str, str, _Dashes, str, str], ...] = (
    ("teacher", "teacher", GREY, (0, (5, 2)), "R-teacher", "H1"),
    ("D800-noKD", "student, no distillation", ORANGE, "-", "R-baseline", "H2"),
    ("D800-T20", "student, distilled, T = 20", BLUE, "-", "R-distilled", "H3"),
)
"""Cell, name, colour, dashes, and the published numbers of the report and of the paper."""


def figure_1(evidence: Evidence) -> Figure | None:
    """Draw the mean over seeds with a band of ± one sd, each seed as a thin line, and the published numbers.

    Those are the report's, or under a long protocol the paper's. Where some runs never predict a class there
    are two kinds of run and a mean lies where none is: then the median, and no band.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None when neither student has a curve.
    """
    tables = {cell: curve_table(list(evidence.runs(cell).values())) for cell, *_ in _LINES}
    if not any(tables[cell].size for cell in ("D800-noKD", "D800-T20")):
        return None
    figure = new_figure(7.8, 5.8)
    axes = figure.add_subplot()
    compare = not evidence.is_stand_in
    handles: list[Line2D] = []
    seen = [np.zeros(0)]
    last = max(table.shape[1] for table in tables.values())
    papers = evidence.protocol in LONG_PROTOCOLS
    for cell, name, colour, dashes, reports_number, papers_number in _LINES:
        table = tables[cell]
        if not table.size:
            continue
        epochs = np.arange(1, table.shape[1] + 1)
        dead = _dead(evidence, cell)
        middle = np.median(table, axis=0) if dead else table.mean(axis=0)
        for curve in table:
            axes.plot(epochs, curve, color=colour, linewidth=0.7, alpha=0.35, zorder=2)
        if len(table) > 1 and not dead:
            sd = table.std(axis=0, ddof=1)
            low = np.maximum(middle - sd, 1)
            axes.fill_between(epochs, low, middle + sd, color=colour, alpha=0.16, linewidth=0, zorder=1)
        marker = "o" if len(epochs) == 1 else ""  # one epoch has no line
        axes.plot(epochs, middle, color=colour, linewidth=2.0, linestyle=dashes, marker=marker, zorder=3)
        published = published_numbers()[papers_number if papers else reports_number].value
        label = f"{name}: {_ours(evidence, cell)}"
        if compare:
            axes.plot(
                last + 0.7,
                published,
                "x",
                color=colour,
                markersize=7,
                markeredgewidth=2,
                zorder=4,
                clip_on=False,
            )
            label += f"; published {published:g}"
            seen.append(np.asarray([published]))
        label += dead
        handles.append(Line2D([], [], color=colour, linewidth=2.0, linestyle=dashes, label=label))
        seen.append(table.ravel())
    if compare:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="x",
                markeredgewidth=2,
                linestyle="",
                label="published (2015)" if papers else "published (2025 report, epoch 25)",
            )
        )
    error_axis(axes, list(np.concatenate(seen)))
    axes.set_xlim(0.5, last + 1)
    every = max(5, round(last / 50) * 10)
    axes.set_xticks([1, *range(every, last + 1, every)] if last >= 10 else range(1, last + 1))
    axes.set_xlabel("epoch")
    axes.set_ylabel("test errors (of 10,000), log scale")
    axes.set_title(f"Effect of distillation, D = 800\n{subtitle(evidence, tables)}", loc="left")
    figure.legend(handles=handles, loc="outside lower center")
    stamp(figure, evidence)
    return figure


def _dead(evidence: Evidence, cell: str) -> str:
    runs = evidence.runs(cell).values()
    dead = sum(bool(run["never_predicted"]) for run in runs)
    return f" ({dead} of {len(runs)} runs never predict a class; line: median)" if dead else ""


def _ours(evidence: Evidence, cell: str) -> str:
    summary = summarise(list(evidence.values(cell, TEST_ERRORS).values()))
    if summary.sd is None:
        return f"{summary.mean:g} (one seed)"
    return f"{mean_and_spread(summary.mean, summary.sd)} (n = {summary.n})"
