"""Numbers as people read them: rounded by one rule, with their spread."""

from __future__ import annotations


def number(value: float, digits: int = 1, *, sign: bool = False) -> str:
    """Write a number with so many decimals; a whole count goes without ".0".

    Example:
        >>> number(158.0), number(158.25), number(-30.0, sign=True), number(0.9, 2)
        ('158', '158.2', '-30', '0.90')
    """
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.removesuffix(".0")


def mean_and_spread(mean: float, sd: float | None, digits: int = 1) -> str:
    """Write mean ± standard deviation, both with so many decimals; the mean alone where there is no spread.

    Example:
        >>> mean_and_spread(197.0, 9.14), mean_and_spread(17.0, 1.02, 2), mean_and_spread(80.0, None)
        ('197.0 ± 9.1', '17.00 ± 1.02', '80')
    """
    return number(mean, digits) if sd is None else f"{mean:.{digits}f} ± {sd:.{digits}f}"


def p_value(p: float) -> str:
    """Write a p-value.

    Example:
        >>> p_value(0.0312), p_value(0.000001)
        ('0.031', '< 0.0001')
    """
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
