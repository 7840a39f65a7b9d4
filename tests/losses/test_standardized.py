"""Logits as z-scores: SciPy's, what they do not see, and the loss around which they stand."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.functional import standardize_logits
from distillkit.losses import DIST, DKD, WSLD, Loss, SoftTargets, Standardized
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def value(loss: Loss, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """The loss of the batch."""
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=LABELS)


def test_scores_equal_scipys() -> None:
    """Each row less its mean, over the root of the mean square: SciPy's z-score, over all classes."""
    expected = torch.from_numpy(scipy.stats.zscore(STUDENT.numpy(), axis=-1))
    torch.testing.assert_close(standardize_logits(STUDENT), expected)


@pytest.mark.parametrize("inner", [SoftTargets(temperature=2), DKD()], ids=repr)
def test_the_loss_inside_sees_scipys_scores(inner: Loss) -> None:
    """It is the loss of both sides' z-scores."""
    scores = [torch.from_numpy(scipy.stats.zscore(side.numpy(), axis=-1)) for side in (STUDENT, TEACHER)]
    torch.testing.assert_close(value(Standardized(loss=inner), STUDENT, TEACHER), value(inner, *scores))


@pytest.mark.parametrize("inner", [SoftTargets(temperature=2), DKD(), DIST()], ids=repr)
def test_shift_and_scale_of_a_row_change_nothing(inner: Loss) -> None:
    """Other numbers for each row and side: the loss is the same."""
    loss = Standardized(loss=inner)
    shift = torch.arange(6, dtype=torch.float64)[:, None] * 7
    scale = torch.logspace(-3, 3, 6, dtype=torch.float64)[:, None]
    moved = value(loss, STUDENT * scale + shift, TEACHER * scale.flip(0) - shift)
    torch.testing.assert_close(moved, value(loss, STUDENT, TEACHER))
    assert value(loss, TEACHER * scale + shift, TEACHER).abs() < 1e-12


def test_gradient_does_not_change_the_size() -> None:
    """What is not seen has no gradient: its sum over a row is 0, and so is its product with the logits."""
    student = STUDENT.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(Standardized(), student, TEACHER), student)
    assert gradient.norm() > 0.01
    assert gradient.sum(-1).abs().max() < 1e-14
    assert (gradient * STUDENT).sum(-1).abs().max() < 1e-14


def test_a_row_of_equal_logits() -> None:
    """Its scores are 0, and it has no gradient, also where its mean is rounded."""
    flat = torch.full((3, 7), 0.3, requires_grad=True)
    scores = standardize_logits(flat)
    assert not scores.any()
    (gradient,) = torch.autograd.grad(scores.square().sum() + scores.sum(), flat)
    assert not gradient.any()


def test_a_class_that_is_ruled_out_is_not_counted() -> None:
    """−∞ stays so and leaves the other scores as they are; gradients are finite."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    scores = standardize_logits(wider)
    torch.testing.assert_close(scores[:, :5], standardize_logits(STUDENT))
    assert (scores[:, 5] == -torch.inf).all()
    (gradient,) = torch.autograd.grad(scores[:, :5].square().mul(torch.arange(5)).sum(), wider)
    assert gradient.isfinite().all()
    assert not gradient[:, 5].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    """16-bit logits give what the same numbers in float32 give, ±10,000 too."""
    scores = standardize_logits(STUDENT.to(dtype))
    assert torch.equal(scores, standardize_logits(STUDENT.to(dtype).float()))
    far = standardize_logits(torch.tensor([[1e4, -1e4]], dtype=dtype))
    torch.testing.assert_close(far, torch.tensor([[1.0, -1.0]]))


def test_contributions_and_properties_are_those_of_the_loss_inside() -> None:
    """The names in the history, and what the loss says of itself, pass through."""
    loss = Standardized(loss=losses.hinton(temperature=2, hard_label_weight=0.1))
    parts = loss.contributions(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS)
    assert list(parts) == ["soft", "hard"]
    assert not Standardized().needs().whole_batch
    assert Standardized(loss=DIST()).needs().whole_batch
    assert Standardized().gradient_is_of_the_value
    assert not Standardized(loss=WSLD()).gradient_is_of_the_value


def test_the_loss_inside_says_what_it_needs() -> None:
    """A missing teacher, or missing labels, is the sentence of the loss that wants them."""
    with pytest.raises(ConfigurationError, match="SoftTargets compares the student with a teacher"):
        Standardized()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match="DKD needs labels"):
        Standardized(loss=DKD())(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
