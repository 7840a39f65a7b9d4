"""The figure of how far students are from one that matches logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.experiments.drawing_seeds import dots, places
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure


def student_distances_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `logit_matching.student_distances` found.

    Args:
        results: One of each seed, of the same temperatures.
    """
    names = [name for name in results[0]["students"] if name != "matching"]
    cases = results[0]["cases"]
    figure = new_figure(12.0, 4.4)
    left, middle, right = figure.subplots(1, 3)
    for place, name in enumerate(names):
        students = [result["students"][name] for result in results]
        colour = {"uncentred": ORANGE, "twin": GREY}.get(name, BLUE)
        dots(left, place, [max(1.0, cases * (1 - one["agreement"])) for one in students], colour)
        dots(middle, place, [one["kl"] for one in students if one["kl"] is not None], colour)
        dots(right, place, [one["test_errors"] for one in students], colour)
    matching = [result["students"]["matching"]["test_errors"] for result in results]
    right.axhline(sum(matching) / len(matching), color=INK, linewidth=1, linestyle="--")
    error_axis(left, _plotted(left))
    error_axis(right, _plotted(right))
    middle.set_yscale("log")
    left.set_title(f"cases (of {cases:,}) of another class")
    middle.set_title("KL divergence, nats")
    right.set_title("test errors (dashed: matching)")
    for axes in (left, middle, right):
        places(axes, [{"uncentred": "not\ncentred", "twin": "other\nseed"}.get(n, n[2:]) for n in names])
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlabel("soft targets at T, and matching logits")
    return figure


def _plotted(axes: Axes) -> list[float]:
    return [float(value) for line in axes.lines for value in np.asarray(line.get_ydata())]
