"""Hinton's bias corrections."""

from __future__ import annotations

import pytest
import torch

from distillkit.mnist.cells.bias_correction import (
    GRID,
    best_shift,
    errors_by_shift,
    prior_matching_shift,
    shifted,
)


def some_logits(cases: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are often right, class 3 held down."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(10, (cases,), generator=generator)
    logits = torch.randn(cases, 10, generator=generator) * 2
    logits[torch.arange(cases), labels] += 3
    logits[:, 3] -= 4
    return logits, labels


@pytest.mark.parametrize("classes", [(3,), (7, 8)])
def test_the_best_shift_is_the_best_of_the_grid(classes: tuple[int, ...]) -> None:
    """Held against trying every shift on the logits; of equals, the one nearest to 0."""
    logits, labels = some_logits()
    errors = {shift: int((shifted(logits, classes, shift).argmax(1) != labels).sum()) for shift in GRID}
    fewest = min(errors.values())
    counted = errors_by_shift(logits, labels, classes)
    assert counted == list(errors.values())
    assert best_shift(counted) == min((s for s in GRID if errors[s] == fewest), key=abs)


@pytest.mark.parametrize("classes", [(3,), (7, 8)])
def test_the_label_free_shift_gives_the_classes_their_share(classes: tuple[int, ...]) -> None:
    """After it, the mean predicted mass of the classes is that of a uniform prior."""
    logits, _ = some_logits()
    shift = prior_matching_shift(logits, classes)
    mass = shifted(logits.double(), classes, shift).softmax(1)[:, list(classes)].sum(1).mean()
    assert float(mass) == pytest.approx(len(classes) / 10, abs=1e-9)


def test_a_shift_leaves_the_other_classes_and_the_given_logits_alone() -> None:
    """Only the named columns of a copy move."""
    logits, _ = some_logits(4)
    before = logits.clone()
    after = shifted(logits, (3,), 1.5)
    assert torch.equal(logits, before)
    assert torch.equal(after[:, [0, 9]], before[:, [0, 9]])
    assert torch.allclose(after[:, 3], before[:, 3] + 1.5)
