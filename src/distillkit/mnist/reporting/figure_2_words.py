"""Figure 2 in sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from distillkit.mnist.judging.evidence import Evidence, Result, student_of
from distillkit.mnist.judging.published import figure_2_id, published_numbers
from distillkit.mnist.judging.records import Ledger
from distillkit.mnist.judging.units import TEST_ERRORS
from distillkit.mnist.reporting.tables import stamped
from distillkit.workbench.statistics.summaries import summarise
from distillkit.workbench.statistics.writing import mean_and_spread

_ONE_CLASS = 900
"""More errors than this and about a whole class of the test set is wrong (the smallest has 892 cases)."""


def figure_2_words(evidence: Evidence, ledger: Ledger) -> str:
    """A sentence or two for each width, then dead classes, then the trend, then the report's odd cells.

    Args:
        evidence: the runs.
        ledger: their ledger, for the test of the trend.

    Returns:
        The section; empty when there is no student on the full transfer set.
    """
    names = [name for name in evidence.cells if student_of(name) is not None]
    if not names:
        return ""
    lines = [*_widths(evidence), *_dead(evidence, names)]
    trend = next((row for row in ledger["rows"] if row["id"] == "R-claim-higher-T-better"), None)
    if trend is not None and trend["ours"] is not None:
        lines.append(f"{trend['note'][:1].upper()}{trend['note'][1:]} (-1: errors always fall as T rises).")
    if not evidence.is_stand_in:
        lines += _odd_cells(evidence, names)
    return "\n".join([stamped("What Figure 2 shows", evidence), "", *(f"- {line}" for line in lines)])


def _widths(evidence: Evidence) -> list[str]:
    lines = []
    grid = evidence.grid()
    for hidden in sorted({student[0] for name in evidence.cells if (student := student_of(name))}):
        words = []
        if evidence.runs(f"D{hidden}-noKD"):
            words.append(f"without distillation {_spread(evidence, f'D{hidden}-noKD')}")
        cells = grid.get(hidden, {})
        if cells:
            means = {
                t: summarise(list(evidence.values(name, TEST_ERRORS).values())).mean
                for t, name in cells.items()
            }
            best, worst = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
            words.append(f"fewest errors at T = {best:g}: {_spread(evidence, cells[best])}")
            if best != worst:
                words.append(f"most at T = {worst:g}: {_spread(evidence, cells[worst])}")
        lines.append(f"D = {hidden}: {'; '.join(words)}.")
    return lines


def _dead(evidence: Evidence, names: Sequence[str]) -> list[str]:
    runs = [run for name in names for run in evidence.runs(name).values()]
    dead = [run for run in runs if run["never_predicted"]]
    whole = [run for run in runs if not run["never_predicted"]]
    if not dead:
        return [f"Each of the {len(runs)} runs predicts every class."]
    line = f"{len(dead)} of {len(runs)} runs never predict some class; these make {_range(dead)} errors"
    return [f"{line}, the others {_range(whole)}." if whole else f"{line}."]


def _odd_cells(evidence: Evidence, names: Sequence[str]) -> list[str]:
    """The report's cells that end above a whole class of errors, beside our runs of the same cells."""
    odd = []
    for name in names:
        hidden, _, run = name.partition("-")
        published = published_numbers().get(figure_2_id(int(hidden[1:]), run))
        if published is not None and published.value > _ONE_CLASS:
            odd.append((name, published.value))
    if not odd:
        return []
    runs = [run for name, _ in odd for run in evidence.runs(name).values()]
    dead = [run for run in runs if run["never_predicted"]]
    whole = [run for run in runs if not run["never_predicted"]]
    listed = ", ".join(f"{name} {TEST_ERRORS.published(value)}" for name, value in odd)
    lines = [f"The report's curves end above {_ONE_CLASS} errors at {listed}."]
    if dead:
        lines.append(
            f"Of our runs of those cells {len(dead)} of {len(runs)} never predict a class: {_range(dead)} "
            "errors."
        )
    if whole:
        lines.append(
            f"Our {len(whole)} runs of those cells that predict every class make {_range(whole)} errors, at "
            "the same temperatures."
        )
    return lines


def _range(runs: Sequence[Result]) -> str:
    errors = sorted(run["test_errors"] for run in runs)
    return f"{errors[0]}" if errors[0] == errors[-1] else f"{errors[0]} to {errors[-1]}"


def _spread(evidence: Evidence, name: str) -> str:
    summary = summarise(list(evidence.values(name, TEST_ERRORS).values()))
    return mean_and_spread(summary.mean, summary.sd)
