"""Normalised distillation against a loop from the paper's equation, and against its kin."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import decoupled_kl
from distillkit.losses import NKD
from distillkit.typing import Outputs
from references import softened

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def value(loss: NKD, student: torch.Tensor = STUDENT, teacher: torch.Tensor = TEACHER) -> float:
    """The loss of the batch."""
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=LABELS).item()


@pytest.mark.parametrize("temperature", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("gamma", [0.0, 1.5, 3.5])
def test_equals_a_loop(temperature: float, gamma: float) -> None:
    """−p_t log q_t at T = 1, and γ T² times the cross-entropy of the others made to sum to one."""
    total = 0.0
    for z, v, label in zip(STUDENT.tolist(), TEACHER.tolist(), LABELS.tolist(), strict=True):
        total -= softened(v, 1)[label] * math.log(softened(z, 1)[label])
        q, p = softened(z, temperature), softened(v, temperature)
        for i in range(5):
            if i != label:
                total -= gamma * temperature**2 * p[i] / (1 - p[label]) * math.log(q[i] / (1 - q[label]))
    assert value(NKD(temperature=temperature, non_target_weight=gamma)) == pytest.approx(total / 6, rel=1e-10)


def test_two_classes_leave_the_true_one() -> None:
    """With two classes there is one other class, of which nothing can be said: −p_t log q_t is left."""
    teacher, student = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    loss = NKD(non_target_weight=7)
    found = loss(student=Outputs(student), teacher=Outputs(teacher), labels=torch.tensor([1]))
    assert found.item() == pytest.approx(math.log(2) / (1 + math.e), rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_other_classes_are_those_of_dkd_and_an_entropy(temperature: float) -> None:
    """The other classes' cross-entropy is DKD's divergence among them and the teacher's entropy there."""
    others = (TEACHER / temperature).softmax(-1)
    entropy = [
        scipy.stats.entropy([p for i, p in enumerate(row) if i != label])  # which makes them sum to one
        for row, label in zip(others.tolist(), LABELS.tolist(), strict=True)
    ]
    divergence = decoupled_kl(
        student=STUDENT, teacher=TEACHER, labels=LABELS, temperature=temperature, target_weight=0.0,
        non_target_weight=1.0,
    ).item()  # fmt: skip
    with_others = value(NKD(temperature=temperature, non_target_weight=1))
    without = value(NKD(temperature=temperature, non_target_weight=0))
    expected = divergence + temperature**2 * sum(entropy) / 6
    assert with_others - without == pytest.approx(expected, rel=1e-10)


def test_a_constant_per_row_changes_nothing() -> None:
    """Logits are known up to a number a row, on either side."""
    shift = torch.arange(6, dtype=torch.float64)[:, None] * 7
    assert value(NKD(), STUDENT + shift, TEACHER - shift) == pytest.approx(value(NKD()), rel=1e-12)


def test_what_it_needs() -> None:
    """Labels and a teacher, or a sentence that says so; T above 0."""
    with pytest.raises(ConfigurationError, match="NKD needs labels"):
        NKD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    with pytest.raises(ConfigurationError, match="NKD compares the student with a teacher"):
        NKD()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"^temperature: "):
        NKD(temperature=0)
    with pytest.raises(ConfigurationError, match="one shape"):
        NKD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER[:, :1]), labels=LABELS)
