"""The numbers of a comparison as a person reads them, in tables and in a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distillkit.workbench.compare.comparison import ModelComparison


def three_digits(value: float) -> str:
    """A number above 0 to three digits, never as a power of ten.

    Example:
        >>> three_digits(0.012345), three_digits(3.14159), three_digits(12345.6)
        ('0.0123', '3.14', '12,300')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def bytes_in_words(count: int) -> str:
    """Write bytes as disks are sold: 1 kB is 1,000 bytes.

    Example:
        >>> bytes_in_words(999), bytes_in_words(98424), bytes_in_words(102_530_333)
        ('999 B', '98.4 kB', '103 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{three_digits(count / size)} {unit}"
    return f"{count} B"


def seconds_unit(seconds: float) -> tuple[str, float]:
    """The unit in which a time is a handy number, and how many of it a second has.

    Example:
        >>> seconds_unit(0.0123), seconds_unit(0.00004)
        (('ms', 1000.0), ('µs', 1000000.0))
    """
    return ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)


def share(cases: int, of: int) -> str:
    """Cases, and how many in a hundred.

    Example:
        >>> share(158, 10_000)
        '158 (1.58 %)'
    """
    return f"{cases:,} ({100 * cases / of:.2f} %)"


def decimals(value: float | None) -> str:
    """Four decimals; a number that is not finite is named so."""
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.4f}"


def p_in_words(p: float | None) -> str:
    """A p-value to two digits.

    Example:
        >>> p_in_words(0.0473), p_in_words(0.00002)
        ('p = 0.047', 'p < 0.001')
    """
    return "–" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def measured_in_words(found: ModelComparison) -> str:
    """Write on which machine the speeds were measured, and how."""
    on = found.measured_on
    where = on["cpu"] if on["device"] == "cpu" else f"{on['device']} beside {on['cpu']}"
    threads = f"{on['threads']} thread{'s' if on['threads'] != 1 else ''}"
    latency, throughput = found.latency, found.throughput
    return (
        f"Measured on {where}, {threads}, {on['precision']}, torch {on['torch']}: medians and quartiles of "
        f"{latency.rounds} rounds (latency, one example at a time) and {throughput.rounds} rounds (batches "
        f"of {throughput.batch_size}), in each of which both were timed."
    )
