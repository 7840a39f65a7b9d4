"""Small pieces of Markdown: tables, numbers with their spread, p-values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distillkit.mnist.judging.evidence import DISTANCE, SHARE, SLOPE, Evidence
from distillkit.mnist.judging.published import PER_CENT

TUNED = "**tuned on the test set**"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A Markdown table.

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


def number(value: float | None, unit: str = "", *, sign: bool = False) -> str:
    """A number with one decimal, counts without a needless ".0"; "" for None.

    Example:
        >>> number(158.0), number(158.25), number(-30.0, sign=True), number(47.3, "% test error")
        ('158', '158.2', '-30', '47.30')
    """
    if value is None:
        return ""
    text = f"{value:+.1f}" if sign else f"{value:.1f}"
    if unit in (PER_CENT, SHARE, SLOPE, DISTANCE, "mean rank correlation"):
        return f"{value:+.2f}" if sign else f"{value:.2f}"
    return text.removesuffix(".0")


def ours(row: dict[str, Any]) -> str:
    """Mean ± sd (n) of a row of the ledger."""
    if row["ours"] is None:
        return ""
    unit = row["unit"]
    spread = "" if row["sd"] is None else f" ± {number(row['sd'], unit)}"
    return f"{number(row['ours'], unit)}{spread} ({row['n']})"


def p_value(p: float | None) -> str:
    """A p-value as it is written in tables.

    Example:
        >>> p_value(0.0312), p_value(0.000001), p_value(None)
        ('0.031', '< 0.0001', '')
    """
    if p is None:
        return ""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def interval(ends: Sequence[float] | None, unit: str = "") -> str:
    """An interval, "" for None."""
    return "" if ends is None else f"{number(ends[0], unit)} to {number(ends[1], unit)}"


def stamped(title: str, evidence: Evidence) -> str:
    """A section's title that says what its table must not be taken for.

    Args:
        title: the title.
        evidence: the runs of the table.
    """
    marks = ["stand-in data, not MNIST"] * evidence.is_stand_in + ["quick run"] * evidence.quick
    return f"## {title}" + (f" ({'; '.join(marks)})" if marks else "")
