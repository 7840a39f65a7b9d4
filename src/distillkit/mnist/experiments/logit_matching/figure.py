"""The figures of H10: how far soft targets are from matching logits, in gradients and in students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillkit.mnist.experiments.drawing_seeds import Dashes, lines
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure

_COLOURS = {"centred": BLUE, "uncentred": ORANGE}
_DASHES: Mapping[str, Dashes] = {"logits": "-", "weights": "--"}


def gradient_distances_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `logit_matching.gradient_distances` found.

    Args:
        results: One of each seed, of the same students and temperatures.
    """
    names = list(results[0]["students"])
    temperatures = results[0]["temperatures"]
    figure = new_figure(1.2 + 4.0 * len(names), 6.6)
    grid = figure.subplots(2, len(names), squeeze=False, sharey="row", sharex=True)
    for column, name in enumerate(names):
        students = [result["students"][name] for result in results]
        for axes, measure in zip(grid[:, column], ("relative_l2", "cosine"), strict=True):
            for centring, colour in _COLOURS.items():
                for key, dashes in _DASHES.items():
                    values = [one[centring][key][measure] for one in students]
                    lines(axes, temperatures, values, colour, dashes=dashes)
        floor = sum(one["floor"] for one in students) / len(students)
        grid[0, column].axhline(floor, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        grid[0, column].set(xscale="log", yscale="log", title=f"{name} student")
        grid[1, column].set(xscale="log", xlabel="temperature T")
    grid[0, 0].set_ylabel("relative distance of the gradients, log scale")
    grid[1, 0].set_ylabel("cosine of the gradients")
    grid[1, 0].set_ylim(min(-0.03, *_plotted(grid[1, 0])), 1.03)
    handles = [
        *(
            Line2D([], [], color=colour, linewidth=2, label=words)
            for words, colour in (("logits centred case by case", BLUE), ("logits as they are", ORANGE))
        ),
        Line2D([], [], color=INK, linestyle="-", label="with respect to logits"),
        Line2D([], [], color=INK, linestyle="--", label="to weights"),
        Line2D([], [], color=GREY, linestyle=(0, (1, 2)), label="share that no softmax sees"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _plotted(axes: Axes) -> list[float]:
    return [float(value) for line in axes.lines for value in np.asarray(line.get_ydata())]
