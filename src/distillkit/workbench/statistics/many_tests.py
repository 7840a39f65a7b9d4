"""Several tests at once: p-values corrected for their number, and tests that two settings are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distillkit.workbench.statistics.summaries import paired_test


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: p-values that hold for all the tests together, in the order given.

    Args:
        ps: One p-value a test, each in [0, 1].

    Returns:
        The adjusted ones: comparing each with a level keeps the chance of any false finding below it.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]

    Reference:
        S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
        Statistics, 1979.
    """
    order = np.argsort(ps, kind="stable")
    adjusted = np.empty(len(ps))
    worst = 0.0
    for place, index in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = worst
    return [float(one) for one in adjusted]


def alike(first: Sequence[float], second: Sequence[float], *, margin: float) -> float | None:
    """Whether two settings differ by less than a margin: two one-sided paired t tests over seeds.

    Args:
        first: One number a seed.
        second: The other setting's numbers, in the same order of seeds.
        margin: The largest difference that still counts as alike, > 0.

    Returns:
        The larger of the two p-values: below a level, the means differ by less than the margin. `None` for
        one pair, or differences that are all the same.

    Example:
        >>> round(alike([150, 152, 149], [151, 150, 151], margin=15), 4)
        0.0033

    Reference:
        D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach",
        Journal of Pharmacokinetics and Biopharmaceutics, 1987.
    """
    below = paired_test([one - margin for one in first], second, alternative="less")
    above = paired_test([one + margin for one in first], second, alternative="greater")
    return None if below.p is None or above.p is None else max(below.p, above.p)


def apart(first: Sequence[float], second: Sequence[float], *, margin: float) -> float | None:
    """Whether two settings differ by more than a margin, in whichever direction: the opposite of `alike`.

    Args:
        first: One number a seed.
        second: The other setting's numbers, in the same order of seeds.
        margin: The largest difference that still counts as alike, > 0.

    Returns:
        Twice the smaller p-value of two one-sided paired t tests: below a level, the means differ by more
        than the margin. `None` for one pair, or differences that are all the same.

    Example:
        >>> round(apart([150, 152, 149], [181, 180, 181], margin=15), 4)
        0.0061
    """
    lower = paired_test([one + margin for one in first], second, alternative="less")
    higher = paired_test([one - margin for one in first], second, alternative="greater")
    return None if lower.p is None or higher.p is None else min(1.0, 2 * min(lower.p, higher.p))
