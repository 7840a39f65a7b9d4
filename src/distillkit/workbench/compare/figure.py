"""The figure of a comparison: what the student costs, where both err, how well their confidence fits."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from distillkit.errors import ConfigurationError
from distillkit.metrics import CalibrationBin
from distillkit.workbench.compare.comparison import Answers, ModelComparison
from distillkit.workbench.compare.figure_style import BLUE, GREY, INK, ORANGE, figure_style, image, new_figure
from distillkit.workbench.compare.speed import Speed
from distillkit.workbench.compare.wording import (
    bytes_in_words,
    measured_in_words,
    p_in_words,
    seconds_unit,
    three_digits,
)

_LIGHT = "#C9C9C9"


def kind_of_image(path: Path) -> str:
    """The kind of image that a file's name ends in, "png" or "svg".

    Raises:
        ConfigurationError: It ends in neither.

    Example:
        >>> kind_of_image(Path("gained.png"))
        'png'
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in {"png", "svg"}:
        raise ConfigurationError(f"A figure is a .png or an .svg, got {path.name}: name such a file.")
    return kind


def comparison_image(found: ModelComparison, title: str, kind: str = "png") -> bytes:
    """Draw a comparison.

    Args:
        found: The comparison.
        title: Which models are compared.
        kind: "png" or "svg".
    """
    with figure_style():
        return image(comparison_figure(found, title), kind)


def comparison_figure(found: ModelComparison, title: str) -> Figure:
    """The student's cost as shares of the teacher's; with data, also their errors and their calibration."""
    if found.answers is None:
        figure = new_figure(7.5, 3.4)
        _draw_costs(figure.subplots(), found)
    else:
        figure = new_figure(11.5, 4.4)
        costs, errors, calibration = figure.subplots(1, 3, width_ratios=[1.5, 1.0, 1.1])
        _draw_costs(costs, found)
        _draw_errors(errors, found.answers)
        _draw_calibration(calibration, found.answers)
    figure.suptitle(f"What was gained: {title}", fontweight="bold", fontsize=11)
    words = fill(measured_in_words(found), width=int(18 * figure.get_figwidth()))
    figure.supxlabel(words, fontsize=7.5, color=GREY, x=0.01, ha="left")
    return figure


def _draw_costs(axes: Axes, found: ModelComparison) -> None:
    teacher, student = found.teacher, found.student
    rows: list[tuple[str, float, tuple[float, float] | None, str]] = []
    for name, large, small in (
        ("parameters", teacher.parameters, student.parameters),
        ("multiply-adds", teacher.multiply_adds, student.multiply_adds),
    ):
        if large:
            rows.append((name, small / large, None, f"{_short(small)} of {_short(large)}"))
    if teacher.file_bytes and student.file_bytes:
        sizes = f"{bytes_in_words(student.file_bytes)} of {bytes_in_words(teacher.file_bytes)}"
        rows.append(("weights on disk", student.file_bytes / teacher.file_bytes, None, sizes))
    rows.append(("time for one example", *_time_share(found.latency)))
    rows.append((f"time for a batch of {found.throughput.batch_size}", *_time_share(found.throughput)))
    places = range(len(rows))
    axes.barh(places, [share for _, share, _, _ in rows], height=0.5, color=BLUE)
    axes.axvline(1.0, color=ORANGE, linewidth=1.4)
    for place, (_, share, ends, words) in enumerate(rows):
        if ends is not None:
            axes.errorbar(share, place, xerr=[[share - ends[0]], [ends[1] - share]], color=INK, capsize=3)
        axes.text(0.0, place - 0.33, f"{100 * share:.3g} %:  {words}", fontsize=8, va="bottom")
    axes.set_yticks(places, [name for name, _, _, _ in rows])
    axes.set_ylim(len(rows) - 0.55, -0.75)
    axes.set_xlim(0, 1.12 * max(1.0, *(share if ends is None else ends[1] for _, share, ends, _ in rows)))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.yaxis.grid(visible=False)
    axes.set_title("What the student takes, teacher = 100 %")


def _time_share(speed: Speed) -> tuple[float, tuple[float, float], str]:
    teacher, student = speed.seconds("teacher").median, speed.seconds("student").median
    unit, scale = seconds_unit(teacher)
    lower, upper = speed.speedup.quartiles
    words = f"{three_digits(scale * student)} of {three_digits(scale * teacher)} {unit}"
    return 1 / speed.speedup.median, (1 / upper, 1 / lower), words


def _draw_errors(axes: Axes, answers: Answers) -> None:
    shared = answers.shared_errors
    sides = (("teacher", answers.teacher, ORANGE), ("student", answers.student, BLUE))
    most = max(1, *(one.test_errors for _, one, _ in sides))
    for place, (_, one, colour) in enumerate(sides):
        axes.bar(place, shared, width=0.55, color=_LIGHT)
        axes.bar(place, one.test_errors - shared, bottom=shared, width=0.55, color=colour)
        words = f"{one.test_errors:,} ({100 * one.test_errors / answers.cases:.2f} %)"
        axes.text(place, one.test_errors, words, ha="center", va="bottom", fontweight="bold")
    if shared > 0.06 * most:
        axes.text(0.5, shared / 2, "both", ha="center", va="center", color=GREY)
    names = [f"{name}\n{one.test_errors - shared:,} of its own\n{shared:,} of both" for name, one, _ in sides]
    axes.set_xticks([0, 1], names)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(0, 1.12 * most)
    axes.xaxis.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_title(f"Errors on {answers.cases:,} cases")
    together = f"agreement {100 * answers.agreement:.2f} %"
    axes.set_xlabel(f"{together} · McNemar test: {p_in_words(answers.test.p)}", fontsize=8.5)


def _draw_calibration(axes: Axes, answers: Answers) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    for name, one, bins, colour, mark in (
        ("teacher", answers.teacher, answers.teacher_bins, ORANGE, "s"),
        ("student", answers.student, answers.student_bins, BLUE, "o"),
    ):
        confidence = [part.confidence for part in bins]
        accuracy = [part.accuracy for part in bins]
        axes.plot(confidence, accuracy, color=colour, linewidth=1.0, alpha=0.35)
        axes.scatter(
            confidence, accuracy, _areas(bins), color=colour, marker=mark, label=f"{name}: ECE {one.ece:.4f}"
        )
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.24)  # the legend is above 1, since the marks may lie anywhere below
    axes.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel("confidence (larger marks: more cases)")
    axes.set_ylabel("share that is right")
    axes.set_title("Calibration")
    axes.legend(loc="upper left", markerscale=0.6)


def _areas(bins: tuple[CalibrationBin, ...]) -> list[float]:
    most = max(part.cases for part in bins)
    return [10 + 70 * part.cases / most for part in bins]


def _short(count: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{three_digits(count / size)} {unit}"
    return f"{count}"
