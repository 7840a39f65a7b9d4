"""The cross-entropy against a loop and its limits, and exits from layers of every kind."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from distillkit.errors import ConfigurationError
from distillkit.functional import target_enhanced_cross_entropy
from distillkit.losses import OFA
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = torch.randn(2, 6, 4, generator=GENERATOR, dtype=torch.float64) * 2
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("gamma", [0.0, 1.0, 1.5, 3.0])
def test_equals_a_loop(gamma: float) -> None:
    """Class by class."""
    total = 0.0
    for z, v, label in zip(STUDENT.tolist(), TEACHER.tolist(), LABELS.tolist(), strict=True):
        q, p = ([math.exp(one) / sum(map(math.exp, row)) for one in row] for row in (z, v))
        for c in range(4):
            weight = (1 + p[c]) ** gamma if c == label else p[c]
            total -= weight * math.log(q[c])
    found = target_enhanced_cross_entropy(student=STUDENT, teacher=TEACHER, labels=LABELS, gamma=gamma)
    assert found.item() == pytest.approx(total / 6, rel=1e-12)


def test_at_gamma_1_it_is_the_sum_of_two_cross_entropies() -> None:
    """With the labels and with the teacher's probabilities, as torch computes them."""
    expected = F.cross_entropy(STUDENT, LABELS) + F.cross_entropy(STUDENT, TEACHER.softmax(-1))
    found = target_enhanced_cross_entropy(student=STUDENT, teacher=TEACHER, labels=LABELS, gamma=1.0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [(6, 3, 4, 4), (6, 5, 3), (6, 3)])
def test_every_kind_of_layer_has_an_exit(shape: tuple[int, ...]) -> None:
    """Maps, tokens and vectors; the loss is that of what the exit says."""
    feature = torch.randn(shape, generator=GENERATOR, dtype=torch.float64)
    loss = OFA(layers=["a"], gamma=1.5)
    student, teacher = Outputs(STUDENT, {"a": feature}), Outputs(TEACHER)
    exits = loss.adapters(student=student, teacher=teacher).double()
    said = exits[0](feature)
    assert said.shape == (6, 4)
    found = loss(student=Outputs(STUDENT, {"a": feature}, exits), teacher=teacher, labels=LABELS)
    expected = target_enhanced_cross_entropy(student=said, teacher=TEACHER, labels=LABELS, gamma=1.5)
    torch.testing.assert_close(found, expected)


def test_layers_that_overlap_have_one_exit_each() -> None:
    """A layer that two patterns find counts once."""
    features = {"a1": STUDENT, "a2": STUDENT}
    exits = OFA(layers=["a1", "a*"]).adapters(student=Outputs(STUDENT, features), teacher=None)
    assert len(exits) == 2


def test_what_is_missing_is_explained() -> None:
    """A layer that was not taken, and one of a kind that has no exit."""
    loss = OFA(layers=["a"])
    with pytest.raises(ConfigurationError, match="Among what was taken, the student has no layer 'a'"):
        loss.adapters(student=Outputs(STUDENT), teacher=None)
    with pytest.raises(ConfigurationError, match=r"got \[6\]: name another layer"):
        loss.adapters(student=Outputs(STUDENT, {"a": STUDENT[:, 0]}), teacher=None)


def test_answers_at_many_positions_are_refused() -> None:
    """An exit gives one answer an example, also where as many positions count as there are examples."""
    student = Outputs(torch.randn(6, 3, 4), {"a": STUDENT})
    with pytest.raises(ConfigurationError, match=r"one answer an example.* got \[6, 3, 4\]"):
        OFA(layers=["a"]).adapters(student=student, teacher=None)
