"""The figures of H9: gradients against the temperature, and errors against the weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillkit.mnist.experiments.drawing_seeds import Dashes, lines
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
