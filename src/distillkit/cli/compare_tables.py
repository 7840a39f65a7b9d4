"""The tables of `distillkit compare`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from distillkit.cli.console import stdout
from distillkit.workbench.compare.wording import (
    bytes_in_words,
    decimals,
    measured_in_words,
    p_in_words,
    seconds_unit,
    share,
    three_digits,
)

if TYPE_CHECKING:
    from distillkit.workbench.compare.comparison import Answers, ModelComparison
    from distillkit.workbench.compare.speed import Spread


def show(found: ModelComparison, title: str) -> None:
    """Print what was found, and what it was measured on."""
    stdout().print(_sizes_and_speed(found, title))
    if found.answers is not None:
        stdout().print(_answers(found.answers))
    stdout().print(f"[dim]{escape(measured_in_words(found))}[/]")
    for side, size in (("the teacher", found.teacher), ("the student", found.student)):
        others = ", ".join(f"{kind} ({count})" for kind, count in sorted(size.not_counted.items()))
        stdout().print(f"[dim]Not in the multiply-adds of {side}: {escape(others) or 'nothing'}.[/]")


def _sizes_and_speed(found: ModelComparison, title: str) -> Table:
    table = _table(escape(title), "", "Teacher", "Student", "Gain")
    large, small = found.teacher, found.student
    _row(table, "Parameters", large.parameters, small.parameters, "{:,}".format)
    _row(table, "Multiply-adds", large.multiply_adds, small.multiply_adds, "{:,}".format)
    _row(table, "Weights on disk", large.file_bytes, small.file_bytes, bytes_in_words)
    latency, throughput = found.latency, found.throughput
    unit, scale = seconds_unit(latency.seconds("teacher").median)
    table.add_row(
        f"Latency, {unit}\n[dim]one example[/]",
        *(_spread(latency.seconds(side), scale) for side in ("teacher", "student")),
        _spread(latency.speedup, sign=" ×"),
    )
    table.add_row(
        f"Examples a second\n[dim]in batches of {throughput.batch_size}[/]",
        *(_spread(throughput.examples_a_second(side)) for side in ("teacher", "student")),
        _spread(throughput.speedup, sign=" ×"),
    )
    return table


def _row(
    table: Table, name: str, teacher: int | None, student: int | None, words: Callable[[int], str]
) -> None:
    gain = f"{three_digits(teacher / student)} ×" if teacher and student else "–"
    table.add_row(name, *("–" if one is None else words(one) for one in (teacher, student)), gain)


def _answers(answers: Answers) -> Table:
    teacher, student, both = answers.teacher, answers.student, answers.shared_errors
    table = _table(f"On {answers.cases:,} cases", "", "Teacher", "Student", "Both")
    errors = (teacher.test_errors, student.test_errors)
    table.add_row("Errors", *(share(one, answers.cases) for one in (*errors, both)))
    table.add_row("Errors of its own", *(f"{one - both:,}" for one in errors), "")
    table.add_row("Negative log-likelihood, nats", decimals(teacher.nll), decimals(student.nll), "")
    table.add_row("Expected calibration error", decimals(teacher.ece), decimals(student.ece), "")
    if teacher.never_predicted or student.never_predicted:
        dead = (_few(one.never_predicted) for one in (teacher, student))
        table.add_row("Classes never predicted", *dead, "")
    table.add_row("Agreement", "", "", f"{100 * answers.agreement:.2f} %")
    table.add_row("KL(teacher ‖ student), nats", "", "", decimals(student.teacher_kl))
    table.add_row("McNemar test of the errors", "", "", p_in_words(answers.test.p))
    return table


def _few(classes: tuple[int, ...]) -> str:
    return f"{len(classes)} of them" if len(classes) > 5 else ", ".join(map(str, classes)) or "–"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _spread(spread: Spread, scale: float = 1.0, sign: str = "") -> str:
    lower, upper = (three_digits(scale * one) for one in spread.quartiles)
    return f"{three_digits(scale * spread.median)}{sign}\n[dim]{lower}–{upper}[/]"
