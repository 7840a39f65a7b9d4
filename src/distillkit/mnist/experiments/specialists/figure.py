"""The figure of H14: the confusable groups, and what the specialists mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.experiments.drawing_seeds import dots, places
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure

_SHOWN = {
    "generalist": ("generalist", GREY),
    "trained_on": ("trained\nfor longer", GREY),
    "uncorrected": ("+ specialists,\nnot corrected", ORANGE),
    "panel": ("+ specialists", ORANGE),
    "from_panel": ("one net\nfrom all", BLUE),
    "from_generalist": ("one net from\ngeneralist", BLUE),
}


def specialists_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `specialists` found; the groups are those of the first seed.

    Args:
        results: One of each seed.
    """
    figure = new_figure(11.4, 4.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _groups(left, results[0])
    errors = {name: [result["test_errors"][name] for result in results] for name in _SHOWN}
    for place, (name, (_, colour)) in enumerate(_SHOWN.items()):
        dots(right, place, errors[name], colour)
    places(right, [words for words, _ in _SHOWN.values()])
    right.tick_params(axis="x", labelsize=8)
    error_axis(right, [value for values in errors.values() for value in values])
    right.set_ylabel(f"test errors (of {results[0]['cases']:,}), log scale")
    right.set_title("generalist and specialists, and nets distilled from them")
    return figure


def _groups(axes: Axes, result: Mapping[str, Any]) -> None:
    matrix = np.asarray(result["affinity"])
    groups = [group["classes"] for group in result["groups"]]
    alone = [number for number in range(len(matrix)) if not any(number in group for group in groups)]
    order = [number for group in groups for number in group] + alone
    shown = matrix[np.ix_(order, order)]
    np.fill_diagonal(shown, np.nan)
    picture = axes.imshow(shown, cmap="Oranges")
    axes.grid(visible=False)
    axes.set_xticks(range(len(order)), [str(number) for number in order])
    axes.set_yticks(range(len(order)), [str(number) for number in order])
    first = 0
    for group in groups:
        corner = (first - 0.5, first - 0.5)
        axes.add_patch(Rectangle(corner, len(group), len(group), fill=False, edgecolor=INK, linewidth=1.8))
        first += len(group)
    axes.set_title("classes predicted together, first seed")
    axes.figure.colorbar(picture, ax=axes, shrink=0.8, label="affinity, 0 to 1")
