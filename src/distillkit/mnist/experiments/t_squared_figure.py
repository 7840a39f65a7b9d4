"""The figures of H9: gradients against the temperature, and errors against the weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.experiments.seeds_drawn import Dashes, dots, lines, places
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, new_figure

_WITH_RESPECT_TO = {"logits": "to a case's logits", "weights": "to all weights"}
_DASHES: tuple[Dashes, ...] = ("--", "-", ":", "-.")


def gradient_norms_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `t_squared.gradient_norms` found.

    Args:
        results: One of each seed, of the same students and temperatures.
    """
    figure = new_figure(9.4, 4.6)
    grid = figure.subplots(1, len(_WITH_RESPECT_TO), squeeze=False)[0]
    temperatures = results[0]["temperatures"]
    names = list(results[0]["students"])
    for axes, (key, words) in zip(grid, _WITH_RESPECT_TO.items(), strict=True):
        for name, dashes in zip(names, _DASHES, strict=False):
            students = [result["students"][name] for result in results]
            for kind, colour in (("without_t_squared", ORANGE), ("with_t_squared", BLUE)):
                lines(axes, temperatures, [one[kind][key] for one in students], colour, dashes=dashes)
            hard = sum(one["hard"][key] for one in students) / len(students)
            axes.axhline(hard, color=GREY, linestyle=dashes, linewidth=1.1, zorder=1)
        last = min(one["without_t_squared"][key][-1] for one in results[0]["students"].values())
        ends = (temperatures[-1] / 30, temperatures[-1])
        guide = [last / 3 * (temperatures[-1] / end) ** 2 for end in ends]
        axes.plot(ends, guide, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate("1/T²", (ends[0], guide[0]), ha="right", va="top", color=INK)
        axes.set(xscale="log", yscale="log", xlabel="temperature T", title=f"with respect {words}")
    grid[0].set_ylabel("length of the gradient")
    handles = [
        Line2D([], [], color=BLUE, linewidth=2, marker="o", markersize=4, label="soft targets, with T²"),
        Line2D([], [], color=ORANGE, linewidth=2, marker="o", markersize=4, label="soft targets, without T²"),
        Line2D([], [], color=GREY, label="hard labels"),
        *(
            Line2D([], [], color=INK, linestyle=dashes, label=f"{name} student")
            for name, dashes in zip(names, _DASHES, strict=False)
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


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
