"""Three levels of alignment against a slow loop, and how they grow with the batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.losses import MLKD, SoftTargets
from distillkit.typing import Outputs
from references import softened

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def levels(student: Tensor, teacher: Tensor, temperature: float) -> tuple[float, float, float]:
    """Instance, batch and class level at one temperature, number by number in Python alone."""
    q = [softened(row, temperature) for row in student.tolist()]
    p = [softened(row, temperature) for row in teacher.tolist()]
    examples, classes = range(len(q)), range(len(q[0]))
    instance = sum(p[i][c] * math.log(p[i][c] / q[i][c]) for i in examples for c in classes)
    batch = sum(
        (sum(p[i][c] * p[j][c] for c in classes) - sum(q[i][c] * q[j][c] for c in classes)) ** 2
        for i in examples
        for j in examples
    )
    between_classes = sum(
        (sum(p[i][c] * p[i][d] for i in examples) - sum(q[i][c] * q[i][d] for i in examples)) ** 2
        for c in classes
        for d in classes
    )
    return temperature**2 * instance / len(q), batch / len(q), between_classes / len(q[0])


def value(student: Tensor, teacher: Tensor, *temperatures: float) -> float:
    """The loss of a batch, which needs no labels."""
    loss = MLKD(temperatures=temperatures)
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=None).item()


@pytest.mark.parametrize("temperatures", [(1.0,), (4.0,), (2.0, 3.0, 4.0, 5.0, 6.0)])
def test_equals_a_loop(temperatures: tuple[float, ...]) -> None:
    """The sum over the temperatures of the three levels."""
    expected = sum(sum(levels(STUDENT, TEACHER, temperature)) for temperature in temperatures)
    assert value(STUDENT, TEACHER, *temperatures) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_batch_given_twice_over(temperature: float) -> None:
    """The instance level stays, the batch level doubles, the class level is four times as large."""
    instance, batch, between_classes = levels(STUDENT, TEACHER, temperature)
    found = value(STUDENT.repeat(2, 1), TEACHER.repeat(2, 1), temperature)
    assert found == pytest.approx(instance + 2 * batch + 4 * between_classes, rel=1e-10)


def test_instance_level_is_the_soft_targets() -> None:
    """Of a batch of one the rest is known: the squares of differences of products of its probabilities."""
    student, teacher = STUDENT[:1], TEACHER[:1]
    q, p = student.softmax(-1)[0], teacher.softmax(-1)[0]
    rest = (p @ p - q @ q) ** 2 + (p.outer(p) - q.outer(q)).square().sum() / 5
    soft = SoftTargets(temperature=1)(student=Outputs(student), teacher=Outputs(teacher), labels=None)
    assert value(student, teacher, 1.0) == pytest.approx((soft + rest).item(), rel=1e-10)


def test_zero_where_logits_agree_up_to_a_constant_per_row() -> None:
    """A number added to each row changes nothing."""
    shift = torch.arange(6, dtype=torch.float64)[:, None] * 7
    assert value(TEACHER + shift, TEACHER, 2.0, 6.0) == pytest.approx(0, abs=1e-12)


def test_tokens_are_examples() -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    found = value(STUDENT.view(2, 3, 5), TEACHER.view(2, 3, 5), 4.0)
    assert found == pytest.approx(value(STUDENT, TEACHER, 4.0), rel=1e-12)


def test_a_class_that_both_rule_out_is_finite() -> None:
    """−∞ on both sides changes the mean over the classes alone, and has no gradient."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    found = MLKD(temperatures=(2.0,))(
        student=Outputs(wider), teacher=Outputs(torch.cat([TEACHER, masked], dim=-1)), labels=None
    )
    instance, batch, between_classes = levels(STUDENT, TEACHER, 2.0)
    assert found.item() == pytest.approx(instance + batch + between_classes * 5 / 6, rel=1e-10)
    (gradient,) = torch.autograd.grad(found, wider)
    assert gradient.isfinite().all()
    assert not gradient[:, 5].any()


@pytest.mark.parametrize("temperatures", [(), (0.0,), (2.0, -1.0), (math.nan,)])
def test_temperatures_that_are_none_are_refused(temperatures: tuple[float, ...]) -> None:
    """One or more, each above 0."""
    with pytest.raises(ConfigurationError, match=r"^temperatures"):
        MLKD(temperatures=temperatures)


def test_what_it_needs() -> None:
    """A teacher and logits of one shape; and it says that it relates examples."""
    with pytest.raises(ConfigurationError, match="MLKD compares the student with a teacher"):
        MLKD()(student=Outputs(STUDENT), teacher=None, labels=None)
    with pytest.raises(ConfigurationError, match="one shape"):
        value(STUDENT, TEACHER[:, :1], 1.0)
    assert MLKD().needs().whole_batch
