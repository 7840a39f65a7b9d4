"""The figure of errors against the weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.experiments.drawing_seeds import dots, places
from distillkit.workbench.compare.figure_style import BLUE, INK, ORANGE, new_figure


def hard_weight_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `t_squared.hard_weight_errors` found.

    Args:
        results: One of each seed, of the same weights.
    """
    figure = new_figure(7.8, 4.4)
    axes = figure.add_subplot()
    weights = results[0]["weights"]
    by_weight = list(zip(*(result["test_errors"] for result in results), strict=True))
    for place, (weight, errors) in enumerate(zip(weights, by_weight, strict=True)):
        dots(axes, place, errors, {0.0: BLUE, 1.0: ORANGE}.get(weight, INK))
    places(axes, [{0.0: "0\nsoft only", 1.0: "1\nhard only"}.get(each, f"{each:g}") for each in weights])
    error_axis(axes, [error for errors in by_weight for error in errors])
    axes.set_xlabel("weight of the hard labels")
    axes.set_ylabel(f"test errors (of {results[0]['cases']:,}), log scale")
    axes.set_title(f"Students distilled at T = {results[0]['temperature']:g}", loc="left")
    return figure
