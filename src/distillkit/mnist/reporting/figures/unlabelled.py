"""Figure of H11: test errors of students that learnt from unlabelled images, by their kind and number."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.figures.style import stamp, subtitle
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, RED, new_figure
from distillkit.workbench.statistics.summaries import summarise

_POOL = re.compile(r"D800-T20-(training|fonts|noise)-(\d+)")
_KINDS = {
    "training": (BLUE, "o", "training images, without labels"),
    "fonts": (ORANGE, "s", "digits drawn from fonts"),
    "noise": (RED, "^", "noise"),
}
_LINES = {
    "D800-noKD": ("hard labels, all 60,000", GREY),
    "D800-T20": ("distilled with labels, all 60,000", INK),
}


def figure_unlabelled(evidence: Evidence) -> Figure | None:
    """Draw the mean over seeds and its 95 % interval for every kind of image, and two students with labels.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None when no student learnt from unlabelled images.
    """
    pools: dict[str, dict[int, str]] = {}
    for name in evidence.cells:
        if found := _POOL.fullmatch(name):
            pools.setdefault(found[1], {})[int(found[2])] = name
    if not pools:
        return None
    figure = new_figure(6.6, 5.2)
    axes = figure.add_subplot()
    seen = []
    for kind, (colour, marker, label) in _KINDS.items():
        cells = sorted(pools.get(kind, {}).items())
        if not cells:
            continue
        numbers = [number for number, _ in cells]
        runs = [list(evidence.values(name, TEST_ERRORS).values()) for _, name in cells]
        found_here = [summarise(values) for values in runs]
        means = [one.mean for one in found_here]
        axes.plot(numbers, means, color=colour, marker=marker, linewidth=1.8, label=label, zorder=3)
        intervals = [one.interval for one in found_here if one.interval is not None]
        if len(intervals) == len(found_here):
            lower, upper = (np.maximum(ends, 1) for ends in zip(*intervals, strict=True))
            axes.fill_between(numbers, lower, upper, color=colour, alpha=0.16, linewidth=0, zorder=1)
        seen += [error for values in runs for error in values]
    for cell, (label, colour) in _LINES.items():
        if values := list(evidence.values(cell, TEST_ERRORS).values()):
            axes.axhline(summarise(values).mean, color=colour, linestyle=(0, (4, 2)), label=label, zorder=2)
            seen += values
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    error_axis(axes, seen)
    axes.set_xlabel("different images in the transfer set; as many updates for each")
    axes.set_ylabel("test errors (of 10,000), log scale")
    shown = [*_LINES, *(cell for cells in pools.values() for cell in cells.values())]
    axes.set_title(f"Unlabelled transfer sets, D = 800, T = 20\n{subtitle(evidence, shown)}", loc="left")
    figure.legend(loc="outside lower center", ncols=2)
    stamp(figure, evidence)
    return figure
