"""Small pieces of Markdown: tables, numbers with their spread, p-values."""

from __future__ import annotations

from collections.abc import Sequence

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import LedgerRow
from distillkit.mnist.judging.units import UNITS, Unit
from distillkit.workbench.statistics.writing import p_value

TUNED = "**tuned on the test set**"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Write a Markdown table.

    Args:
        heads: the column heads.
        rows: the cells as text; a bar in a cell is escaped.
        numbers: indices of the columns that are aligned to the right.

    Example:
        >>> print(table(["cell", "errors"], [["teacher", "143"]], numbers=[1]))
        | cell | errors |
        |---|---:|
        | teacher | 143 |
    """
    rule = "|".join("---:" if index in numbers else "---" for index in range(len(heads)))
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (heads, *rows)]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def ours(row: LedgerRow) -> str:
    """Write mean ± sd (n) of a row of the ledger; "" where there is nothing of ours."""
    return "" if row["ours"] is None else f"{UNITS[row['unit']].mean_and_spread(row)} ({row['n']})"


def p_or_nothing(p: float | None) -> str:
    """Write a p-value; "" for None."""
    return "" if p is None else p_value(p)


def interval(ends: Sequence[float] | None, unit: Unit) -> str:
    """Write an interval; "" for None."""
    return "" if ends is None else f"{unit.number(ends[0])} to {unit.number(ends[1])}"


def stamped(title: str, evidence: Evidence) -> str:
    """A section's title that says what its table must not be taken for.

    Args:
        title: the title.
        evidence: the runs of the table.
    """
    marks = ["stand-in data, not MNIST"] * evidence.is_stand_in + ["quick run"] * evidence.quick
    return f"## {title}" + (f" ({'; '.join(marks)})" if marks else "")
