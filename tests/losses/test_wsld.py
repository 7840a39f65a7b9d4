"""Weighted soft labels against a loop from the paper's equation, and the weights' extremes."""

from __future__ import annotations

import math

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.losses import WSLD
from distillkit.typing import Outputs
from references import softened

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def weights() -> list[float]:
    """1 − exp(−L_s / L_t) of each example, in Python alone."""
    return [
        1 - math.exp(-math.log(softened(z, 1)[label]) / math.log(softened(v, 1)[label]))
        for z, v, label in zip(STUDENT.tolist(), TEACHER.tolist(), LABELS.tolist(), strict=True)
    ]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_equals_a_loop(temperature: float) -> None:
    """Each example's T² soft cross-entropy times its weight, averaged over the batch."""
    total = 0.0
    for z, v, weight in zip(STUDENT.tolist(), TEACHER.tolist(), weights(), strict=True):
        for q, p in zip(softened(z, temperature), softened(v, temperature), strict=True):
            total -= weight * temperature**2 * p * math.log(q)
    loss = WSLD(temperature=temperature)
    found = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS)
    assert found.item() == pytest.approx(total / 6, rel=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradient_is_that_of_soft_targets_times_the_weight(temperature: float) -> None:
    """The weight is held fixed: the gradient is weight · T · (q − p) / batch."""
    student = STUDENT.clone().requires_grad_()
    loss = WSLD(temperature=temperature)
    loss(student=Outputs(student), teacher=Outputs(TEACHER), labels=LABELS).backward()
    q, p = (STUDENT / temperature).softmax(-1), (TEACHER / temperature).softmax(-1)
    weight = torch.tensor(weights(), dtype=torch.float64)[:, None]
    assert student.grad is not None
    torch.testing.assert_close(student.grad, weight * temperature * (q - p) / 6)


def test_extremes_of_the_weight() -> None:
    """A student far behind counts whole, one as good 1 − 1/e, one far ahead not; where both are sure, not."""

    def loss_of(student_logit: float, teacher_logit: float) -> float:
        sides = [
            torch.tensor([[logit, 0.0]], dtype=torch.float64) for logit in (student_logit, teacher_logit)
        ]
        return WSLD(temperature=1)(
            student=Outputs(sides[0]), teacher=Outputs(sides[1]), labels=torch.tensor([0])
        ).item()

    assert loss_of(-50, 1000) == pytest.approx(50, rel=1e-12)  # the teacher is sure to the last bit
    assert loss_of(0, 0) == pytest.approx((1 - math.exp(-1)) * math.log(2), rel=1e-12)
    assert loss_of(40, -40) == pytest.approx(0, abs=1e-12)
    assert loss_of(1000, 1000) == 0


def test_what_it_needs() -> None:
    """Labels and a teacher, or a sentence that says so; T above 0."""
    with pytest.raises(ConfigurationError, match="WSLD needs labels"):
        WSLD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    with pytest.raises(ConfigurationError, match="WSLD compares the student with a teacher"):
        WSLD()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"^temperature: "):
        WSLD(temperature=-1)
    with pytest.raises(ConfigurationError, match="one shape"):
        WSLD()(student=Outputs(STUDENT), teacher=Outputs(TEACHER[:, :1]), labels=LABELS)
