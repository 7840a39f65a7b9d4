"""The figure of H13: errors against the number of training cases, with soft targets and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from distillkit.mnist.drawing import error_axis
from distillkit.mnist.experiments.drawing_seeds import Dashes, lines
from distillkit.workbench.compare.figure_style import BLUE, GREY, ORANGE, new_figure

_SHOWN_IN_TRAINING = 0.03
_LINES: tuple[tuple[str, str, str, Dashes, str, str], ...] = (
    ("hard", "last", ORANGE, "-", "o", "hard labels, end of training"),
    ("hard", "best", ORANGE, ":", "", "hard labels, stopped early on held-out cases"),
    ("soft", "last", BLUE, "-", "o", "soft targets, end of training"),
)


def learning_curve_figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what `little_data.learning_curve` found; on the right, the training on 3 % of the cases.

    Args:
        results: One of each seed, of the same fractions and updates.
    """
    figure = new_figure(9.8, 5.0)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1), sharey=True)
    fractions = sorted({student["fraction"] for student in results[0]["students"]})
    seen: list[float] = []
    for targets, when, colour, dashes, marker, label in _LINES:
        by_seed = [[_one(result, fraction, targets)[when] for fraction in fractions] for result in results]
        lines(left, fractions, by_seed, colour, dashes=dashes, marker=marker, label=label)
        seen += [value for values in by_seed for value in values if value is not None]
    teacher = sum(result["teacher_errors"] for result in results) / len(results)
    left.axhline(teacher, color=GREY, linestyle=(0, (5, 2)), label="teacher, all cases")
    left.set_xscale("log")
    left.set_title("with fewer training cases")
    left.xaxis.set_major_locator(FixedLocator(fractions))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    left.set_xlabel("share of the training cases that the student learns from")
    left.set_ylabel(f"test errors (of {results[0]['cases']:,}), log scale")
    seen += _in_training(right, results, min(fractions, key=lambda each: abs(each - _SHOWN_IN_TRAINING)))
    error_axis(left, [teacher, *seen])
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _in_training(axes: Axes, results: Sequence[Mapping[str, Any]], fraction: float) -> list[float]:
    seen: list[float] = []
    for targets, colour in (("hard", ORANGE), ("soft", BLUE)):
        students = [_one(result, fraction, targets) for result in results]
        whole = [student for student in students if not student["diverged"]]
        if whole:
            lines(axes, whole[0]["updates"], [one["test_errors"] for one in whole], colour, marker="")
        seen += [value for student in whole for value in student["test_errors"]]
    cases = _one(results[0], fraction, "hard")["cases"]
    axes.set_title(f"in training, {100 * fraction:g} % ({cases:,} cases)")
    axes.set_xlabel("updates")
    return seen


def _one(result: Mapping[str, Any], fraction: float, targets: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        student
        for student in result["students"]
        if (student["fraction"], student["targets"]) == (fraction, targets)
    )
    return found
