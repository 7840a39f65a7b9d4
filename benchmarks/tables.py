"""Tables and numbers of the page, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Example:
        >>> print(table(["a", "b"], [["1", "2"]]))
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def number(value: float) -> str:
    """Three digits, as many as a time is worth; whole numbers as they are.

    Example:
        >>> number(0.012345), number(6.2449), number(62.449), number(1234.5), number(235)
        ('0.0123', '6.24', '62.4', '1,234', '235')
    """
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.{2 if abs(value) < 10 else 1}f}"


def spread_of(spread: Mapping[str, float], factor: float = 1.0) -> str:
    """The median, and the least and greatest behind it.

    Example:
        >>> spread_of({"median": 2.0, "min": 1.5, "max": 2.5})
        '2.00 (1.50 – 2.50)'
    """
    median, least, greatest = (number(spread[name] * factor) for name in ("median", "min", "max"))
    return f"{median} ({least} – {greatest})"


def times(spread: Mapping[str, float]) -> str:
    """A ratio.

    Example:
        >>> times({"median": 2.0, "min": 1.5, "max": 2.5})
        '**2.00 ×** (1.50 – 2.50)'
    """
    median, least, greatest = (number(spread[name]) for name in ("median", "min", "max"))
    return f"**{median} ×** ({least} – {greatest})"


def percent(share: float) -> str:
    """A share.

    Example:
        >>> percent(0.613)
        '61 %'
    """
    return f"{100 * share:.0f} %"
