"""A picture of what the teacher knows: digits beside their soft targets, and twos that look like others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from distillkit.workbench.compare.figure_style import BLUE, INK, ORANGE, new_figure

_SIDE = 28
_TORN = 3
_LIMITS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)


def dark_knowledge_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `dark_knowledge` found, on the right the versions of one digit and the means of the classes.

    On the left stand plain examples of that digit and its lookalikes, and the digits that are torn most.

    Args:
        results: One of each seed; the first teacher is shown.
    """
    result = results[0]
    figure = new_figure(11.0, 7.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1), squeeze=False).flat
    temperatures = result["temperatures"]
    plain = (result["digit"], *result["lookalikes"])
    digits = [digit for digit in result["plain"] if digit["label"] in plain] + result["torn"][:_TORN]
    grid = left.subplots(
        len(digits), 1 + len(temperatures), width_ratios=(1, *[1.5] * len(temperatures)), squeeze=False
    )
    for row, digit in zip(grid, digits, strict=True):
        _image(row[0], digit["pixels"])
    for column, temperature in enumerate(temperatures):
        highest = max(max(digit["soft_targets"][column]) for digit in digits)
        limit = next(limit for limit in _LIMITS if highest <= limit)
        for axes, digit in zip(grid[:, 1 + column], digits, strict=True):
            _bars(axes, digit["soft_targets"][column], digit["label"], limit)
        grid[0, 1 + column].set_title(f"T = {temperature:g}")
    left.suptitle(
        "The soft targets of the first seed's teacher (blue: the true class)", fontweight="bold", fontsize=10
    )
    above, below = right.subfigures(2, 1, height_ratios=(1, 1.25))
    _versions(above, result)
    _means(below, result["means"], max(temperatures))
    return figure


def _image(axes: Axes, pixels: Sequence[int]) -> None:
    axes.imshow(np.asarray(pixels).reshape(_SIDE, _SIDE), cmap="gray_r", vmin=0, vmax=255)
    axes.set_axis_off()


def _bars(axes: Axes, soft_targets: Sequence[float], label: int, limit: float) -> None:
    colours = [BLUE if number == label else ORANGE for number in range(len(soft_targets))]
    axes.bar(range(len(soft_targets)), soft_targets, color=colours, width=0.75)
    axes.set_xticks(range(len(soft_targets)))
    axes.tick_params(axis="x", labelsize=7, length=0, pad=1)
    axes.set_ylim(0, limit)
    axes.set_yticks([0, limit / 2, limit], ["0", "", f"{100 * limit:g} %"], fontsize=7)
    axes.grid(visible=False, axis="x")


def _versions(figure: SubFigure, result: Mapping[str, Any]) -> None:
    first, second = result["lookalikes"]
    rows = result["versions"]
    grid = figure.subplots(2, max(map(len, rows)), squeeze=False)
    for line, versions in zip(grid, rows, strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, version in zip(line, versions, strict=False):
            _image(axes, version["pixels"])
            probabilities = version["soft_targets"][0]
            axes.set_title(
                f"{first}: {_power(probabilities[first])}\n{second}: {_power(probabilities[second])}",
                fontsize=7.5,
                fontweight="normal",
                color=INK,
            )
    figure.suptitle(
        f"{result['digit']}s most like a {first} (above) and most like a {second} (below):\n"
        f"the probabilities of both at T = {result['temperatures'][0]:g}",
        fontweight="bold",
        fontsize=10,
    )


def _means(figure: SubFigure, means: Sequence[Sequence[float] | None], temperature: float) -> None:
    axes = figure.add_subplot()
    classes = len(means)
    table = np.asarray([row if row is not None else [np.nan] * classes for row in means])
    others = table.copy()
    np.fill_diagonal(others, np.nan)
    picture = axes.imshow(100 * others, cmap="Oranges")
    axes.grid(visible=False)
    axes.set_xticks(range(classes))
    axes.set_yticks(range(classes))
    axes.set_xlabel("class of the soft target")
    axes.set_ylabel("true class")
    figure.colorbar(picture, ax=axes, shrink=0.85, label="% of the probability, other classes")
    axes.set_title(f"Mean soft targets of each class at T = {temperature:g}")


def _power(probability: float) -> str:
    exponent = int(np.floor(np.log10(max(probability, 1e-99))))
    return f"$10^{{{exponent}}}$" if exponent < -2 else f"{probability:.2f}"
