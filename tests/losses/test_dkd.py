"""Decoupled distillation against a loop from the paper's two parts, and against the plain divergence."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import decoupled_kl, distillation_kl
from distillkit.losses import DKD
from distillkit.typing import Outputs
from references import softened

TEMPERATURES = (1.0, 4.0, 20.0)
STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def parts(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> tuple[float, float]:
    """T² times the means of both parts, from probabilities, in Python alone."""
    on_target, among_others = 0.0, 0.0
    for z, v, label in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        q, p = softened(z, temperature), softened(v, temperature)
        on_target += p[label] * math.log(p[label] / q[label])
        on_target += (1 - p[label]) * math.log((1 - p[label]) / (1 - q[label]))
        for i in range(len(p)):
            if i != label:
                p_hat, q_hat = p[i] / (1 - p[label]), q[i] / (1 - q[label])
                among_others += p_hat * math.log(p_hat / q_hat)
    scale = temperature**2 / len(labels)
    return scale * on_target, scale * among_others


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (1.0, 0.0), (0.0, 1.0), (0.3, 2.5)])
def test_equals_a_loop(temperature: float, alpha: float, beta: float) -> None:
    """The loss is α and β times the two parts that the paper defines."""
    on_target, among_others = parts(STUDENT, TEACHER, LABELS, temperature)
    loss = DKD(temperature=temperature, target_weight=alpha, non_target_weight=beta)
    found = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS).item()
    assert found == pytest.approx(alpha * on_target + beta * among_others, rel=1e-10)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_is_the_plain_divergence_where_beta_is_one_less_the_true_classs_probability(
    temperature: float,
) -> None:
    """With α = 1 and, for each example, β = 1 − p_t, it is T² KL(teacher ‖ student), gradient included."""
    for i, label in enumerate(LABELS.tolist()):
        beta = 1 - (TEACHER[i] / temperature).softmax(-1)[label].item()
        one, other = STUDENT[[i]].clone().requires_grad_(), STUDENT[[i]].clone().requires_grad_()
        decoupled = decoupled_kl(
            student=one, teacher=TEACHER[[i]], labels=LABELS[[i]], temperature=temperature, target_weight=1.0,
            non_target_weight=beta,
        )  # fmt: skip
        plain = distillation_kl(student=other, teacher=TEACHER[[i]], temperature=temperature)
        torch.testing.assert_close(decoupled, plain)
        torch.testing.assert_close(
            torch.autograd.grad(decoupled, one)[0], torch.autograd.grad(plain, other)[0]
        )


def test_first_part_is_scipys_entropy_of_two_outcomes() -> None:
    """The true class against all others is a relative entropy of two outcomes."""
    q, p = STUDENT.softmax(-1), TEACHER.softmax(-1)
    rows = torch.arange(6)
    expected = [
        scipy.stats.entropy([a, 1 - a], [b, 1 - b])
        for a, b in zip(p[rows, LABELS].tolist(), q[rows, LABELS].tolist(), strict=True)
    ]
    found = decoupled_kl(
        student=STUDENT, teacher=TEACHER, labels=LABELS, temperature=1.0, target_weight=1.0,
        non_target_weight=0.0,
    )  # fmt: skip
    assert found.item() == pytest.approx(sum(expected) / 6, rel=1e-10)


def test_zero_where_logits_agree_up_to_a_constant_per_row() -> None:
    """A number added to each row changes nothing, and one logit that differs is seen."""
    loss = DKD()
    moved = TEACHER + torch.arange(6, dtype=torch.float64)[:, None] * 7
    sides = {"teacher": Outputs(TEACHER), "labels": LABELS}
    assert loss(student=Outputs(moved), **sides).item() == pytest.approx(0, abs=1e-12)
    moved[3, 1] += 0.1
    assert loss(student=Outputs(moved), **sides).item() > 1e-6


def test_other_classes_count_where_the_teacher_is_sure() -> None:
    """A teacher that is sure to twelve digits still orders the others: what the decoupling is for."""
    teacher = torch.tensor([[30.0, 1.0, 0.0]], dtype=torch.float64)
    student = torch.tensor([[30.0, 0.0, 1.0]], dtype=torch.float64)
    found = DKD(temperature=1, non_target_weight=1)(
        student=Outputs(student), teacher=Outputs(teacher), labels=torch.tensor([0])
    )
    p = math.e / (1 + math.e)
    assert found.item() == pytest.approx(2 * p - 1, rel=1e-9)
    assert distillation_kl(student=student, teacher=teacher, temperature=1).item() < 1e-11


def test_what_it_needs() -> None:
    """Labels and a teacher, or a sentence that says so; weights of at least 0."""
    with pytest.raises(ConfigurationError, match="DKD needs labels"):
        DKD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    with pytest.raises(ConfigurationError, match="DKD compares the student with a teacher"):
        DKD()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"^non_target_weight: .* got -1\.$"):
        DKD(non_target_weight=-1)
    with pytest.raises(ConfigurationError, match="one shape"):
        DKD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER[:, :1]), labels=LABELS)
