"""A teacher of which the likeliest classes are known: a loop, its relation to the whole, the missing mass."""

from __future__ import annotations

import math

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import distillation_kl, top_k_kl
from distillkit.losses import SoftTargets, TopKSoftTargets
from distillkit.typing import Outputs
from references import softened

STUDENT, TEACHER = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def value(k: int, temperature: float = 1.0, student: torch.Tensor = STUDENT) -> float:
    """The loss of the batch, which needs no labels."""
    loss = TopKSoftTargets(k=k, temperature=temperature)
    return loss(student=Outputs(student), teacher=Outputs(TEACHER), labels=None).item()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_equals_a_loop(k: int, temperature: float) -> None:
    """The k likeliest classes of each row one by one, and all others as one outcome."""
    total = 0.0
    for z, v in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True):
        q, p = softened(z, temperature), softened(v, temperature)
        order = sorted(range(8), key=lambda c, p=p: -p[c])
        for c in order[:k]:
            total += p[c] * math.log(p[c] / q[c])
        rest_p, rest_q = (math.fsum(side[c] for c in order[k:]) for side in (p, q))
        total += rest_p * math.log(rest_p / rest_q)
    assert value(k, temperature) == pytest.approx(temperature**2 * total / 6, rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_more_classes_say_more_up_to_the_whole(temperature: float) -> None:
    """The loss grows with k, is at most `SoftTargets`, and is that with all classes or more."""
    whole = SoftTargets(temperature=temperature)(
        student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None
    ).item()
    found = [value(k, temperature) for k in range(1, 9)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(whole, rel=1e-12)
    assert value(100, temperature) == found[-1]


def test_it_is_the_whole_where_the_rest_is_in_proportion() -> None:
    """A student that divides the rest among the others as the teacher does loses nothing by the list."""
    order = TEACHER.argsort(-1, descending=True)
    student = TEACHER.scatter(-1, order[:, :3], STUDENT.gather(-1, order[:, :3]))
    whole = distillation_kl(student=student, teacher=TEACHER, temperature=1.0).item()
    assert value(3, student=student) == pytest.approx(whole, rel=1e-10)


def test_the_missing_mass_is_learned() -> None:
    """At its least the student has the teacher's k probabilities, not k that sum to one."""
    student = torch.zeros(6, 8, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([student], max_iter=200, line_search_fn="strong_wolfe")
    top = TEACHER.log_softmax(-1).topk(3, dim=-1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = top_k_kl(
            student=student, teacher_log_probabilities=top.values, indices=top.indices, temperature=1.0
        )
        loss.backward()
        return loss

    optimizer.step(closure)
    learned = student.detach().softmax(-1).gather(-1, top.indices)
    torch.testing.assert_close(learned, top.values.exp(), rtol=0, atol=1e-3)
    assert (learned.sum(-1) < 0.9999).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_kept_in_lower_precision(dtype: torch.dtype) -> None:
    """Log-probabilities kept in float16 whose sum is rounded above 1 miss nothing, and all is finite."""
    known = torch.tensor([[math.log(0.75), math.log(0.25)]]).to(dtype)
    student = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    loss = top_k_kl(
        student=student, teacher_log_probabilities=known, indices=torch.tensor([[2, 0]]), temperature=1.0
    )
    q = student.detach().softmax(-1)[0].tolist()
    expected = 0.75 * math.log(0.75 / q[2]) + 0.25 * math.log(0.25 / q[0])
    assert loss.item() == pytest.approx(expected, abs=2e-3)
    assert loss.dtype == torch.float32
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


def test_classes_that_are_ruled_out() -> None:
    """−∞ on both sides beyond the list is as if the class were not there, also where nothing else is left."""
    masked = torch.full((6, 2), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    teacher = torch.cat([TEACHER, masked], dim=-1)
    for k in (3, 8, 9):
        found = TopKSoftTargets(k=k)(student=Outputs(wider), teacher=Outputs(teacher), labels=None)
        assert found.item() == pytest.approx(value(k), rel=1e-9)
        (gradient,) = torch.autograd.grad(found, wider)
        assert gradient.isfinite().all()
        assert not gradient[:, 8:].any()


def test_what_is_refused() -> None:
    """Shapes that do not fit, no teacher, no classes."""
    with pytest.raises(ConfigurationError, match=r"got \[6, 3\] and \[6, 2\] for \[6, 8\]"):
        top_k_kl(
            student=STUDENT, teacher_log_probabilities=torch.zeros(6, 3),
            indices=torch.zeros(6, 2, dtype=torch.int64), temperature=1.0,
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match="one shape"):
        TopKSoftTargets(k=2)(student=Outputs(STUDENT), teacher=Outputs(TEACHER[:, :4]), labels=None)
    with pytest.raises(ConfigurationError, match="TopKSoftTargets compares the student with a teacher"):
        TopKSoftTargets(k=2)(student=Outputs(STUDENT), teacher=None, labels=None)
    with pytest.raises(ConfigurationError, match=r"^k: "):
        TopKSoftTargets(k=0)
