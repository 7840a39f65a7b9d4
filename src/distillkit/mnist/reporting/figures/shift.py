"""Figure of H5 to H8: test errors against the shift of the biases, and the shifts that were chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.published import PUBLISHED_SHIFTS, published_numbers
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.figures.style import stamp, subtitle
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, RED, new_figure
from distillkit.workbench.statistics.summaries import summarise

_CHOSEN = {
    "test-tuned": (RED, "s", "best on the test set (tuned on it)"),
    "held-out": (BLUE, "o", "chosen on held-out training cases"),
    "label-free": (ORANGE, "^", "chosen without labels"),
}


@dataclass(frozen=True)
class _Panel:
    cell: str
    title: str
    shown: tuple[float, float]
    published: str
    """Id of the published number."""


_PANELS = (
    _Panel("D800-T20-omit3", "No 3 in the transfer set", (-4, 10), "H6"),
    _Panel("D800-T20-only78", "Only 7s and 8s in the transfer set", (-16, 4), "H8"),
)


def figure_shift(evidence: Evidence) -> Figure | None:
    """Draw the errors of each seed and their mean at every shift, and where each way of choosing one lands.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None when no run was corrected, or by an earlier version that kept no curve.
    """
    there = [panel for panel in _PANELS if _curves(evidence, panel.cell) is not None]
    if not there:
        return None
    figure = new_figure(max(5.0, 4.6 * len(there)), 4.9)
    panels = figure.subplots(1, len(there), squeeze=False).ravel()
    for axes, panel in zip(panels, there, strict=True):
        _draw(axes, evidence, panel)
    panels[0].set_ylabel("test errors (of 10,000), log scale")
    title = f"Shifting a bias afterwards: {subtitle(evidence, [panel.cell for panel in there])}"
    figure.suptitle(title, fontweight="bold", fontsize=11)
    figure.legend(handles=_handles(compare=not evidence.is_stand_in), loc="outside lower center", ncols=2)
    stamp(figure, evidence)
    return figure


def _draw(axes: Axes, evidence: Evidence, panel: _Panel) -> None:
    curves = _curves(evidence, panel.cell)
    if curves is None:
        return
    shifts, errors = curves
    inside = (shifts >= panel.shown[0]) & (shifts <= panel.shown[1])
    for run in errors:
        axes.plot(shifts[inside], run[inside], color=GREY, linewidth=0.7, alpha=0.45, zorder=2)
    axes.plot(shifts[inside], errors.mean(axis=0)[inside], color=INK, linewidth=1.8, zorder=3)
    seen = [errors[:, inside].ravel()]
    for kind, (colour, marker, _) in _CHOSEN.items():
        runs = evidence.runs(f"{panel.cell}-bias-{kind}")
        if runs:
            shift = summarise([run["correction"]["shift"] for run in runs.values()]).mean
            after = summarise([TEST_ERRORS.of(run) for run in runs.values()]).mean
            axes.plot(shift, after, marker, color=colour, markersize=7, markeredgecolor="white", zorder=5)
    if not evidence.is_stand_in:
        number = published_numbers()[panel.published]
        theirs = number.value / number.unit.per_case
        shift = PUBLISHED_SHIFTS[panel.published]
        axes.plot(shift, theirs, "x", color=INK, markersize=8, markeredgewidth=2, zorder=4)
        seen.append(np.asarray([theirs]))
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    error_axis(axes, list(np.concatenate(seen)))
    axes.set_xlabel("shift of the bias" + (" of 3" if "omit3" in panel.cell else "es of 7 and 8"))
    axes.set_title(panel.title)


def _curves(evidence: Evidence, cell: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Shifts, [shifts], and errors, [seeds, shifts]."""
    found = [
        run["correction"]["errors_by_shift"]
        for run in evidence.runs(f"{cell}-bias-test-tuned").values()
        if "errors_by_shift" in run["correction"]
    ]
    if not found:
        return None
    return np.asarray(found[0]["shifts"]), np.asarray([one["test_errors"] for one in found], dtype=np.float64)


def _handles(*, compare: bool) -> list[Line2D]:
    handles = [Line2D([], [], color=INK, linewidth=1.8, label="mean over seeds; thin: each seed")]
    handles += [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=7, label=label)
        for colour, marker, label in _CHOSEN.values()
    ]
    if compare:
        label = "published (2015), best on the test set"
        handles.append(Line2D([], [], color=INK, marker="x", markeredgewidth=2, linestyle="", label=label))
    return handles
