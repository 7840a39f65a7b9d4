"""The claims that the experiments beside the cells are for, and their rules, written before the runs."""

from __future__ import annotations

from collections.abc import Mapping

from distillkit.mnist.judging.claim import Claim
from distillkit.mnist.judging.published import HINTON_PAPER
from distillkit.mnist.judging.rules.limits import AccuracyKept, ApproachesMatching, FallsAsInverseSquare
from distillkit.mnist.judging.rules.numbers import FewerErrors, Rule
from distillkit.mnist.judging.units import DISTANCE, SHARE, SLOPE, TEST_ERRORS

_SOFT, _HARD, _ALL = "little-data/0.03-soft", "little-data/0.03-hard", "little-data/1-hard"


def _fewer(id: str, where: str, what: str, rule: Rule) -> Claim:
    return Claim(id, what, HINTON_PAPER, where, TEST_ERRORS, rule)


PROPERTIES: Mapping[str, Claim] = {
    "H9": Claim(
        "H9",
        "soft-target gradients scale as 1/T², so they are multiplied by T²",
        HINTON_PAPER,
        "section 2",
        SLOPE,
        FallsAsInverseSquare("t-squared"),
        -2.0,
    ),
    "H10": Claim(
        "H10",
        "matching logits is the high-temperature limit",
        HINTON_PAPER,
        "section 2.1",
        DISTANCE,
        ApproachesMatching("logit-matching", at=1000.0, closest=0.01),
    ),
}
"""In place of the rows that other protocols do not train for."""

MORE = (
    _fewer(
        "H9-weight",
        "section 2",
        "a considerably lower weight on the hard labels is better: a tenth beats a half, T = 20",
        FewerErrors("hard-weight/0.1", "hard-weight/0.5"),
    ),
    _fewer(
        "H13-soft-targets",
        "section 6",
        "with 3 % of the cases, soft targets make fewer errors than hard labels, both trained to the end",
        FewerErrors(_SOFT, _HARD),
    ),
    _fewer(
        "H13-early-stopping",
        "section 6",
        "with 3 % of the cases, soft targets without early stopping beat hard labels with it",
        FewerErrors(_SOFT, f"{_HARD}-stopped"),
    ),
    Claim(
        "H13-share",
        "with 3 % of the cases, soft targets keep nearly all the accuracy of hard labels on all cases",
        HINTON_PAPER,
        "section 6",
        SHARE,
        AccuracyKept(_SOFT, _ALL),
        57.0 / 58.9,
        note="speech: 57.0 / 58.9",
    ),
    _fewer(
        "H14-specialists",
        "section 5",
        "generalist and specialists make fewer errors than the generalist alone",
        FewerErrors("specialists/panel", "specialists/generalist"),
    ),
    _fewer(
        "H14-longer",
        "section 5",
        "they also make fewer than the generalist trained on for as many passes as the specialists",
        FewerErrors("specialists/panel", "specialists/trained_on"),
    ),
    _fewer(
        "H14-one-net",
        "section 5, left open there",
        "one net distilled from generalist and specialists makes fewer than one from the generalist alone",
        FewerErrors("specialists/from_panel", "specialists/from_generalist"),
    ),
)
"""Rows that the long protocols add."""
