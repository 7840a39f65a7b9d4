"""The generalised Jensen–Shannon divergence: SciPy's, a loop, its symmetry, bounds and limits."""

from __future__ import annotations

import math

import pytest
import scipy.spatial.distance
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import distillation_kl, generalized_jsd, reverse_kl
from distillkit.losses import GeneralizedJSD
from distillkit.typing import Outputs
from references import softened

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def jsd(student: Tensor, teacher: Tensor, share: float, temperature: float = 1.0) -> Tensor:
    """The loss of a batch, which needs no labels."""
    loss = GeneralizedJSD(temperature=temperature, teacher_share=share)
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=None)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_equals_a_loop(temperature: float, share: float) -> None:
    """T² times the shares of both sides' divergences from the mixture, class by class."""
    total = 0.0
    for z, v in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True):
        for q, p in zip(softened(z, temperature), softened(v, temperature), strict=True):
            m = share * p + (1 - share) * q
            total += share * p * math.log(p / m) + (1 - share) * q * math.log(q / m)
    found = jsd(STUDENT, TEACHER, share, temperature).item()
    assert found == pytest.approx(temperature**2 * total / 6, rel=1e-10)


def test_equals_scipy_at_one_half() -> None:
    """At β = 1/2 it is the square of SciPy's Jensen–Shannon distance."""
    distance = scipy.spatial.distance.jensenshannon(
        STUDENT.softmax(-1).numpy(), TEACHER.softmax(-1).numpy(), axis=-1
    )
    assert jsd(STUDENT, TEACHER, 0.5).item() == pytest.approx((distance**2).mean(), rel=1e-10)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_swapped_sides_are_the_other_share(share: float) -> None:
    """The sides may be swapped if the shares are: at 1/2 it is symmetric, elsewhere not."""
    torch.testing.assert_close(jsd(STUDENT, TEACHER, share), jsd(TEACHER, STUDENT, 1 - share))
    same = torch.isclose(jsd(STUDENT, TEACHER, share), jsd(TEACHER, STUDENT, share), rtol=1e-6)
    assert bool(same) == (share == 0.5)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
@pytest.mark.parametrize("sd", [0.1, 3.0, 1000.0])
def test_bounds(share: float, sd: float) -> None:
    """It lies between 0 and the entropy of the shares, which sides with nothing in common reach."""
    bound = -share * math.log(share) - (1 - share) * math.log(1 - share)
    found = jsd(STUDENT * sd / 3, TEACHER * sd / 3, share).item()
    assert -1e-15 < found <= bound * (1 + 1e-12)
    apart = torch.tensor([[1e4, 0.0]], dtype=torch.float64)
    assert jsd(apart, -apart, share).item() == pytest.approx(bound, rel=1e-12)


def test_limits_are_the_two_divergences() -> None:
    """Divided by β it tends to KL(p ‖ q) for β → 0, by 1 − β to KL(q ‖ p) for β → 1; gradients too."""
    student = STUDENT.clone().requires_grad_()
    for share, scale, limit in ((1e-7, 1e-7, distillation_kl), (1 - 1e-7, 1e-7, reverse_kl)):
        found = (
            generalized_jsd(student=student, teacher=TEACHER, temperature=1.0, teacher_share=share) / scale
        )
        expected = limit(student=student, teacher=TEACHER, temperature=1.0)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)
        torch.testing.assert_close(
            torch.autograd.grad(found, student)[0], torch.autograd.grad(expected, student)[0],
            rtol=2e-3, atol=1e-5,
        )  # fmt: skip


def test_equal_sides_give_zero_to_the_bit() -> None:
    """In float32 too, at any share: nothing is left of the mixture's rounding; the gradient is 0 to it."""
    logits = STUDENT.float().requires_grad_()
    found = jsd(logits, logits.detach(), 0.3)
    assert found.item() == 0
    assert torch.autograd.grad(found, logits)[0].abs().max() < 1e-7


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_classes_that_are_ruled_out(share: float) -> None:
    """−∞ on both sides is as if the class were not there; on one side it is finite, gradient included."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    found = jsd(wider, torch.cat([TEACHER, masked], dim=-1), share)
    torch.testing.assert_close(found, jsd(STUDENT, TEACHER, share))
    (gradient,) = torch.autograd.grad(found, wider)
    assert gradient.isfinite().all()
    assert not gradient[:, 5].any()
    alone = jsd(wider, torch.cat([TEACHER, torch.zeros_like(masked)], dim=-1), share)
    full = torch.cat([STUDENT, torch.zeros_like(masked)], dim=-1).requires_grad_()
    by_teacher = jsd(full, torch.cat([TEACHER, masked], dim=-1), share)
    for one, side in ((alone, wider), (by_teacher, full)):
        assert one.isfinite()
        assert torch.autograd.grad(one, side)[0].isfinite().all()


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.1, math.nan])
def test_shares_at_the_ends_are_refused(share: float) -> None:
    """At 0 and 1 the loss would be 0 whatever the student does."""
    with pytest.raises(ConfigurationError, match=r"^teacher_share: "):
        GeneralizedJSD(teacher_share=share)


def test_other_shapes_are_refused() -> None:
    """Logits of two shapes are refused."""
    with pytest.raises(ConfigurationError, match="one shape"):
        jsd(STUDENT, TEACHER[:, :1], 0.5)
