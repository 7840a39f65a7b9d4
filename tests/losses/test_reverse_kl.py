"""The divergence the other way round: SciPy's, the swapped one, its gradient, its extremes."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import distillation_kl
from distillkit.losses import ReverseKL
from distillkit.typing import Outputs

TEMPERATURES = (1.0, 4.0, 20.0)
STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def loss_of(student: torch.Tensor, teacher: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """The loss of a batch, which needs no labels."""
    loss = ReverseKL(temperature=temperature)
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=None)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_equals_scipy(temperature: float) -> None:
    """T² times SciPy's relative entropy of the student's probabilities to the teacher's."""
    q, p = (STUDENT / temperature).softmax(-1), (TEACHER / temperature).softmax(-1)
    expected = temperature**2 * scipy.stats.entropy(q.numpy(), p.numpy(), axis=-1).mean()
    assert loss_of(STUDENT, TEACHER, temperature).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_is_the_soft_target_loss_with_the_sides_swapped(temperature: float) -> None:
    """What one direction says of (a, b) the other says of (b, a)."""
    swapped = distillation_kl(student=TEACHER, teacher=STUDENT, temperature=temperature)
    torch.testing.assert_close(loss_of(STUDENT, TEACHER, temperature), swapped)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradient_has_its_closed_form(temperature: float) -> None:
    """The gradient is T · q · (log q / p − the row's divergence) / batch."""
    student = STUDENT.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss_of(student, TEACHER, temperature), student)
    log_q, log_p = (STUDENT / temperature).log_softmax(-1), (TEACHER / temperature).log_softmax(-1)
    difference = log_q - log_p
    divergence = (log_q.exp() * difference).sum(-1, keepdim=True)
    torch.testing.assert_close(found, temperature * log_q.exp() * (difference - divergence) / 6)


def test_it_prefers_one_mode() -> None:
    """A student that settles on one of two likely classes is nearer than one spread over all."""
    teacher = torch.tensor([[9.0, 9.0, 0.0, 0.0]])
    settled, spread = torch.tensor([[9.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4)
    assert loss_of(settled, teacher) < loss_of(spread, teacher)
    forth = [distillation_kl(student=z, teacher=teacher, temperature=1) for z in (settled, spread)]
    assert forth[0] > forth[1]


def test_a_class_that_both_rule_out_is_as_if_it_were_not_there() -> None:
    """−∞ on both sides, or on the student's alone, is finite with its gradient."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    found = loss_of(wider, torch.cat([TEACHER, masked], dim=-1))
    torch.testing.assert_close(found, loss_of(STUDENT, TEACHER))
    (gradient,) = torch.autograd.grad(found, wider)
    assert gradient.isfinite().all()
    assert not gradient[:, 5].any()
    alone = loss_of(wider, torch.cat([TEACHER, torch.zeros_like(masked)], dim=-1))
    assert alone.isfinite()
    assert torch.autograd.grad(alone, wider)[0].isfinite().all()


def test_other_shapes_are_refused() -> None:
    """Logits of two shapes, and no temperature, are refused."""
    with pytest.raises(ConfigurationError, match="one shape"):
        loss_of(STUDENT, TEACHER[:, :1])
    with pytest.raises(ConfigurationError, match=r"^temperature: "):
        ReverseKL(temperature=0)
