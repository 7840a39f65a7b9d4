"""The figure of a comparison says what was found, and is the same each time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from distillkit.errors import ConfigurationError
from distillkit.metrics import calibration_bins, evaluate_logits
from distillkit.workbench.compare.comparison import Answers, ModelComparison, Size
from distillkit.workbench.compare.figure import comparison_figure, comparison_image, kind_of_image
from distillkit.workbench.compare.figure_style import figure_style
from distillkit.workbench.compare.speed import Speed
from distillkit.workbench.statistics.summaries import Comparison

MEASURED_ON = {"cpu": "A CPU", "device": "cpu", "threads": 1, "precision": "fp32", "torch": "2.14"}


def speed(batch_size: int, teacher: float, student: float) -> Speed:
    """Of three rounds."""
    return Speed(batch_size, (teacher,) * 3, (student / 1.1, student, student * 1.1))


def answers(scale: float = 1.0) -> Answers:
    """Of two models on 200 cases."""
    teacher, student = torch.randn(2, 200, 3, generator=torch.Generator().manual_seed(0)) * scale
    labels = (teacher + student).argmax(dim=-1)
    return Answers(
        evaluate_logits(teacher, labels),
        evaluate_logits(student, labels, teacher),
        Comparison(0.0, None, 0.034, "exact McNemar test"),
        calibration_bins(teacher, labels),
        calibration_bins(student, labels),
    )


def comparison(found: Answers | None) -> ModelComparison:
    """Of a large teacher and a small student."""
    return ModelComparison(
        Size(12_000_000, 2_000_000_000, {"ReLU": 1}, 48_000_000),
        Size(1_200_000, 500_000_000, {}, 4_800_000),
        speed(1, 0.004, 0.001),
        speed(32, 0.1, 0.05),
        found,
        MEASURED_ON,
    )


def texts(drawn: Figure) -> str:
    """Every text of a figure."""
    return "\n".join(one.get_text() for one in drawn.findobj(Text))


def test_it_says_what_was_found_and_on_what() -> None:
    """Shares of the teacher's sizes and times, errors, agreement, calibration, and the machine."""
    found = answers()
    with figure_style():
        drawn = comparison_figure(comparison(found), "large → small")
    said = " ".join(texts(drawn).split())
    assert len(drawn.axes) == 3
    for part in (
        "large → small", "10 %: 1.20 M of 12.0 M", "25 %: 500 M of 2.00 G", "10 %: 4.80 MB of 48.0 MB",
        "25 %: 1.00 of 4.00 ms", "50 %: 50.0 of 100 ms", "time for a batch of 32", "Errors on 200 cases",
        f"{found.shared_errors} of both", f"agreement {100 * found.student.teacher_agreement:.2f} %",
        "McNemar test: p = 0.034", f"teacher: ECE {found.teacher.ece:.4f}",
        "Measured on A CPU, 1 thread, fp32, torch 2.14",
    ):  # fmt: skip
        assert part in said, part


def test_without_data_it_shows_the_cost_alone() -> None:
    """One panel."""
    with figure_style():
        drawn = comparison_figure(comparison(None), "large → small")
    assert len(drawn.axes) == 1
    assert "Errors" not in texts(drawn)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_it_is_the_same_each_time(kind: str) -> None:
    """To the byte."""
    first = comparison_image(comparison(answers()), "a", kind)
    assert first == comparison_image(comparison(answers()), "a", kind)
    assert first.startswith(b"\x89PNG" if kind == "png" else b"<?xml")


def test_what_is_at_the_ends_is_drawn_too() -> None:
    """No errors, no products, no file, a student that is slower, numbers that are none."""
    labels = torch.eye(3).argmax(dim=-1)
    sure = torch.eye(3) * 50
    perfect = Answers(
        evaluate_logits(sure, labels),
        evaluate_logits(sure, labels, sure),
        Comparison(0.0, None, 1.0, "exact McNemar test"),
        calibration_bins(sure, labels),
        calibration_bins(sure, labels),
    )
    whole = comparison(perfect)
    nothing = dataclasses.replace(
        whole, teacher=Size(10, 0, {}, None), latency=speed(1, 0.001, 0.005), student=Size(20, 0, {}, 7)
    )
    assert comparison_image(nothing, "a").startswith(b"\x89PNG")
    assert comparison_image(comparison(answers(float("nan"))), "a").startswith(b"\x89PNG")


def test_another_kind_of_file_is_refused() -> None:
    """With what there is."""
    assert kind_of_image(Path("a.SVG")) == "svg"
    for name in ("a.jpg", "a"):
        with pytest.raises(ConfigurationError, match=r"\.png or an \.svg"):
            kind_of_image(Path(name))
