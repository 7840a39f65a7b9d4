"""Figure of H12: test errors of ten nets, of all ten together, and of one net that learnt from them."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.figure import Figure

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.figures.style import stamp, subtitle
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure
from distillkit.workbench.statistics.summaries import summarise

_MEMBER = re.compile(r"D800-noKD-member-\d+")
_TOGETHER = "ensemble-mean-{average}"
_DISTILLED = "D800-T20-of-mean-{average}"
_AVERAGES = {"probabilities": "mean probabilities", "logits": "mean logits"}


def figure_ensemble(evidence: Evidence) -> Figure | None:
    """Draw every net of every seed, and the mean with its 95 % interval, a row for each kind.

    Args:
        evidence: the runs.

    Returns:
        The figure, or None unless there are single nets, and an ensemble of them.
    """
    members = [name for name in evidence.cells if _MEMBER.fullmatch(name)]
    rows = [("each of the ten nets", members, GREY)]
    for kind, pattern, colour in (
        ("all ten, by {}", _TOGETHER, BLUE),
        ("one net distilled, by {}", _DISTILLED, ORANGE),
    ):
        rows += [
            (kind.format(words), [pattern.format(average=average)], colour)
            for average, words in _AVERAGES.items()
        ]
    drawn = [
        (label, [error for cell in cells for error in evidence.values(cell, TEST_ERRORS).values()], colour)
        for label, cells, colour in rows
    ]
    drawn = [row for row in drawn if row[1]]
    if not members or len(drawn) < 2:
        return None
    figure = new_figure(6.6, 0.9 + 0.55 * len(drawn))
    axes = figure.add_subplot()
    for place, (_, errors, colour) in enumerate(drawn):
        beside = place + 0.3 * (np.arange(len(errors)) / max(1, len(errors) - 1) - 0.5)
        axes.scatter(errors, beside, s=16, color=colour, alpha=0.6, linewidth=0, zorder=2)
        found = summarise(errors)
        low, high = found.interval or (found.mean, found.mean)
        axes.errorbar(
            found.mean, place, xerr=[[found.mean - low], [high - found.mean]], fmt="|", color=INK,
            markersize=13, markeredgewidth=1.6, capsize=3, linewidth=1.1, zorder=3,
        )  # fmt: skip
        axes.annotate(
            f"{found.mean:.1f}", (found.mean, place), (0, -13), textcoords="offset points", ha="center",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(summarise(drawn[0][1]).mean, color=GREY, linestyle=(0, (4, 2)), linewidth=1, zorder=1)
    axes.set_yticks(range(len(drawn)), [label for label, _, _ in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("test errors (of 10,000), means with 95 % intervals")
    shown = [cell for _, cells, _ in rows for cell in cells]
    axes.set_title(f"Ten nets into one, D = 800, T = 20\n{subtitle(evidence, shown)}", loc="left")
    stamp(figure, evidence)
    return figure
