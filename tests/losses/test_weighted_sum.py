"""Sums of losses, and Hinton's."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, LogitMatching, SoftTargets, WeightedSum, hinton
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])
SIDES = {"student": Outputs(STUDENT), "teacher": Outputs(TEACHER), "labels": LABELS}


def test_hinton_is_the_convex_sum() -> None:
    """`hinton(T, w)` is (1 − w) · soft + w · hard."""
    found = hinton(temperature=4, hard_label_weight=0.25)(**SIDES)
    soft, hard = SoftTargets(temperature=4)(**SIDES), HardLabels()(**SIDES)
    torch.testing.assert_close(found, 0.75 * soft + 0.25 * hard)


def test_hinton_with_weight_1_is_cross_entropy() -> None:
    """With w = 1 it is `F.cross_entropy` to the bit, and needs no teacher."""
    loss = hinton(temperature=4, hard_label_weight=1)
    assert torch.equal(loss(**SIDES), F.cross_entropy(STUDENT, LABELS))
    alone = loss(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    assert torch.equal(alone, F.cross_entropy(STUDENT, LABELS))


def test_hinton_with_weight_0_ignores_labels() -> None:
    """With w = 0 it is `SoftTargets` to the bit, T² included, whether there are labels or none."""
    loss = hinton(temperature=20, hard_label_weight=0)
    soft = SoftTargets(temperature=20)(**SIDES)
    assert torch.equal(loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None), soft)
    assert torch.equal(loss(**SIDES), soft)


def test_hinton_without_labels_says_the_ways_out() -> None:
    """A weight above 0 on an unlabelled batch is one sentence that names the ways out."""
    with pytest.raises(ConfigurationError, match="set hard_label_weight=0"):
        hinton(temperature=4, hard_label_weight=0.1)(
            student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None
        )


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan, math.inf])
def test_hinton_refuses_weights_that_are_no_share(weight: float) -> None:
    """The weight on the hard labels lies in [0, 1]."""
    with pytest.raises(ConfigurationError, match=r"hard_label_weight must be in \[0, 1\], got"):
        hinton(temperature=4, hard_label_weight=weight)


def test_hinton_refuses_no_temperature() -> None:
    """T ≤ 0 is refused in one sentence here too."""
    with pytest.raises(ConfigurationError, match=r"^temperature: Input should be greater than 0, got 0\.$"):
        hinton(temperature=0, hard_label_weight=0.5)


def test_terms_are_named_and_weighted() -> None:
    """Each contribution has its term's name and is the term times its weight, which is 1 by default."""
    terms = {"soft": SoftTargets(temperature=20), "hard": HardLabels(), "match": LogitMatching()}
    weighted = WeightedSum(terms=terms, weights={"match": 0.5, "soft": 2, "hard": 1})
    parts = weighted.contributions(**SIDES)
    assert list(parts) == ["soft", "hard", "match"]
    for name, part in parts.items():
        assert torch.equal(part, weighted.weights[name] * terms[name](**SIDES))
    torch.testing.assert_close(weighted(**SIDES), parts["soft"] + parts["hard"] + parts["match"])
    assert WeightedSum(terms=terms).weights == {"soft": 1, "hard": 1, "match": 1}


def test_a_term_of_weight_0_asks_for_nothing() -> None:
    """What counts for nothing is not computed and has no column."""
    loss = WeightedSum(
        terms={"soft": SoftTargets(temperature=2), "hard": HardLabels()}, weights={"soft": 0, "hard": 2}
    )
    parts = loss.contributions(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    assert list(parts) == ["hard"]


def test_sums_nest() -> None:
    """A sum can be a term of a sum."""
    inner = hinton(temperature=4, hard_label_weight=0.5)
    outer = WeightedSum(terms={"pair": inner, "match": LogitMatching()}, weights={"pair": 3, "match": 1})
    torch.testing.assert_close(outer(**SIDES), 3 * inner(**SIDES) + LogitMatching()(**SIDES))


TERMS = {"soft": SoftTargets(temperature=2), "hard": HardLabels()}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weights": {"soft": 1}}, r"need the names of its terms \(soft, hard\); got soft\."),
        ({"weights": {}}, r"need the names of its terms \(soft, hard\); got none\."),
        ({"weights": {"soft": 1, "hard": 1, "more": 1}}, r"got soft, hard, more\."),
        ({"weights": {"soft": 0, "hard": 0}}, r"All weights of a WeightedSum are 0"),
        ({"weights": {"soft": -1, "hard": 1}}, r"^weights\.soft: .*greater than or equal to 0, got -1\.$"),
        ({"weights": {"soft": math.nan, "hard": 1}}, r"^weights\.soft: .*finite number, got nan\.$"),
        ({"weights": {"soft": math.inf, "hard": 1}}, r"^weights\.soft: .*finite number, got inf\.$"),
        ({"terms": {}}, r"^terms: Dictionary should have at least 1 item[^.]*\.$"),
        ({"terms": {"soft": 4}}, r"^terms\.soft: A Loss is given as an object, or as a mapping .* got 4\.$"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], sentence: str) -> None:
    """Weights that do not fit the terms, and terms that are none, are refused in one sentence."""
    with pytest.raises(ConfigurationError, match=sentence):
        WeightedSum(**{"terms": TERMS, **settings})  # type: ignore[arg-type]


def test_the_caller_keeps_the_mapping() -> None:
    """What the caller does later to a mapping that was handed in does not reach the loss."""
    weights = {"soft": 1.0, "hard": 1.0}
    loss = WeightedSum(terms=TERMS, weights=weights)
    weights["soft"] = 7.0
    assert loss.weights["soft"] == 1
