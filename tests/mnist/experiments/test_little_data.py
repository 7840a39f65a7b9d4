"""H13: soft targets instead of data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.metrics import test_errors as count_errors
from distillkit.mnist.cells.cell import FRACTION_KEPT
from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.little_data.measure import learning_curve
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.transfer_sets import Fraction

Cases = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def found(recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential) -> dict[str, Any]:
    """Three parts of 275 cases."""
    return learning_curve(
        teacher, recipe, train, test, seed=0, updates=400, temperature=4, fractions=(0.05, 0.3, 1.0)
    ).numbers


def test_each_part_has_two_students_with_the_same_number_of_updates(
    found: dict[str, Any], train: Cases
) -> None:
    """About as many as asked, rounded up to whole passes over the part."""
    students = found["students"]
    assert [(one["fraction"], one["targets"]) for one in students] == [
        (part, targets) for part in (0.05, 0.3, 1.0) for targets in ("hard", "soft")
    ]
    for one in students:
        a_pass = -(-one["cases"] // 32)
        assert 400 <= one["updates"][-1] < 400 + a_pass
        assert all(updates % a_pass == 0 for updates in one["updates"])
        assert len(one["updates"]) == len(one["test_errors"]) == len(one["held_out_errors"]) <= 25
        assert not one["diverged"]
    assert found["held_out_cases"] == 300 - len(
        Fraction(fraction=FRACTION_KEPT, seed=0).select(300, train[1])
    )


def test_the_best_look_is_the_first_with_the_fewest_held_out_errors(found: dict[str, Any]) -> None:
    """And the last is the last: nothing is stopped early."""
    for one in found["students"]:
        looks = list(zip(one["held_out_errors"], one["updates"], one["test_errors"], strict=True))
        assert (one["best_updates"], one["best"]) == min(looks, key=lambda look: look[:2])[1:]
        assert one["last"] == one["test_errors"][-1]


def test_more_data_means_fewer_errors(found: dict[str, Any], teacher: nn.Sequential, test: Cases) -> None:
    """From the smallest part to the largest, with either kind of targets."""
    for targets in ("hard", "soft"):
        errors = [one["last"] for one in found["students"] if one["targets"] == targets]
        assert errors[-1] < errors[0]
    assert found["teacher_errors"] == count_errors(answers(teacher, test[0]), test[1])


def test_held_out_cases_are_learnt_by_none(recipe: Recipe, test: Cases, teacher: nn.Sequential) -> None:
    """Held-out cases of a seed are marked by what would break a training that saw them."""
    images = torch.zeros(48, 784)
    labels = torch.arange(48) % 2
    held_out = torch.ones(48, dtype=torch.bool)
    held_out[Fraction(fraction=FRACTION_KEPT, seed=5).select(48, labels)] = False
    images[held_out] = float("nan")
    found = learning_curve(
        teacher, recipe, (images, labels), test, seed=5, updates=2, fractions=(0.5, 1.0)
    ).numbers
    assert found["held_out_cases"] == int(held_out.sum()) == 4
    assert not any(one["diverged"] for one in found["students"])


def test_a_schedule_by_epochs_is_refused(
    recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential
) -> None:
    """It would fall by the epoch, of which a small part has many."""
    by_epochs = replace(recipe, training=type(recipe.training)(schedule_unit="epoch"))
    with pytest.raises(ConfigurationError, match="counts steps"):
        learning_curve(teacher, by_epochs, train, test, seed=0, updates=4)


def test_the_same_call_gives_the_same_numbers(
    recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential
) -> None:
    """To the last error, and JSON takes them."""
    calls = [
        learning_curve(teacher, recipe, train, test, seed=1, updates=8, fractions=(0.1,)).numbers
        for _ in range(2)
    ]
    assert calls[0] == calls[1] == json.loads(json.dumps(calls[0], allow_nan=False))
