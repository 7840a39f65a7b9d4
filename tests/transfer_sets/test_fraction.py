"""A part of the data, drawn class by class."""

from __future__ import annotations

import math

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import Fraction

SIZES = [1, 3, 10, 100, 333]
LABELS = torch.repeat_interleave(torch.arange(5), torch.tensor(SIZES))[
    torch.randperm(sum(SIZES), generator=torch.Generator().manual_seed(0))
]


@pytest.mark.parametrize("fraction", [0.01, 0.03, 0.3, 0.5, 11 / 12, 1.0])
def test_each_class_gives_its_share(fraction: float) -> None:
    """Of a class of n examples round(fraction · n) are taken, at least one, in the order of the data."""
    selected = Fraction(fraction=fraction).select(len(LABELS), LABELS)
    assert LABELS[selected].bincount().tolist() == [max(1, round(fraction * size)) for size in SIZES]
    assert selected.tolist() == sorted(set(selected.tolist()))


def test_another_seed_draws_another_part() -> None:
    """Seeds differ in what they draw and not in how much; the same seed draws the same."""
    parts = [set(Fraction(fraction=0.3, seed=seed).select(len(LABELS), LABELS).tolist()) for seed in range(5)]
    assert len({frozenset(part) for part in parts}) == 5
    assert len({len(part) for part in parts}) == 1
    assert parts[2] == set(Fraction(fraction=0.3, seed=2).select(len(LABELS), LABELS).tolist())


def test_every_example_has_the_same_chance() -> None:
    """Over 400 seeds each example is drawn about as often as the fraction says (5 standard deviations)."""
    labels = torch.arange(40) % 2
    counts = torch.zeros(40)
    for seed in range(400):
        counts[Fraction(fraction=0.3, seed=seed).select(40, labels)] += 1
    assert (counts / 400 - 0.3).abs().max() < 5 * math.sqrt(0.3 * 0.7 / 400)


def test_data_without_labels_are_one_class() -> None:
    """Without labels the share is taken of the whole."""
    assert len(Fraction(fraction=0.25).select(200, None)) == 50


def test_all_of_it_is_everything() -> None:
    """The fraction 1 leaves nothing out."""
    assert Fraction(fraction=1).select(len(LABELS), LABELS).tolist() == list(range(len(LABELS)))


@pytest.mark.parametrize(
    "settings", [{"fraction": 0}, {"fraction": 1.1}, {"fraction": math.nan}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    """A fraction lies in (0, 1] and a seed is at least 0."""
    with pytest.raises(ConfigurationError, match=rf"^{next(iter(settings))}: .*, got"):
        Fraction(**{"fraction": 0.5, **settings})  # type: ignore[arg-type]
