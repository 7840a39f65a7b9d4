"""Weights that are tried for the losses that stand beside hard labels, on held-out training cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.losses_compared.recipes import (
    kind_of,
    kinds_to_compare,
    named,
    recipe_of,
    with_factor,
)
from distillkit.losses import Loss

FACTORS = (1.0, 0.1, 0.01)
"""Of the published weight, which was found for other data and networks."""
_WORTH = 0.9
"""The published weight stays unless another has at most this share of its errors: less is noise."""


def weights_to_try(only: Collection[str] | None = None) -> dict[str, Loss]:
    """Every loss that has hard labels beside it, with each weight, by a name that says both.

    Args:
        only: These kinds; all where None.

    Example:
        >>> list(weights_to_try(["at", "soft_targets"]))
        ['at × 1', 'at × 0.1', 'at × 0.01']
    """
    beside = [kind for kind in kinds_to_compare(only) if recipe_of(kind).hard_label_weight]
    return dict(with_factor(kind, factor) for kind in beside for factor in FACTORS)


def best_factors(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """By kind the factor with the fewest errors; 1 unless they are a tenth fewer than published weights give.

    Args:
        lines: Of students that `weights_to_try` names, with all factors.
    """
    errors: dict[str, list[float]] = {}
    for line in lines:
        errors.setdefault(line["name"], []).append(line["test_errors"])
    best: dict[str, float] = {}
    for kind in dict.fromkeys(map(kind_of, errors)):
        tried = {factor: fmean(errors[named(kind, factor)]) for factor in FACTORS}
        fewest = min(tried, key=tried.__getitem__)
        best[kind] = fewest if tried[fewest] <= _WORTH * tried[1.0] else 1.0
    return best
