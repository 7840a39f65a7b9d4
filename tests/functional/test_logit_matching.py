"""Matching logits against a double loop."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import logit_matching


def both_sides(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of student and teacher, float64."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3, torch.randn(
        *shape, generator=generator, dtype=torch.float64
    ) * 3


def test_equals_a_double_loop() -> None:
    """The loss is half the squared difference of the centred logits over the classes, batch-averaged."""
    student, teacher = both_sides(6, 5)
    total = 0.0
    for z, v in zip(student.tolist(), teacher.tolist(), strict=True):
        z_mean, v_mean = sum(z) / 5, sum(v) / 5
        for i in range(5):
            total += ((z[i] - z_mean) - (v[i] - v_mean)) ** 2 / (2 * 5)
    assert logit_matching(student=student, teacher=teacher).item() == pytest.approx(total / 6, rel=1e-12)


def test_gradient_has_its_closed_form() -> None:
    """The gradient is (z − v) / (N · batch) of the centred logits."""
    student, teacher = both_sides(6, 5)
    student.requires_grad_()
    logit_matching(student=student, teacher=teacher).backward()
    difference = (student - teacher).detach()
    centred = difference - difference.mean(-1, keepdim=True)
    assert student.grad is not None
    torch.testing.assert_close(student.grad, centred / (5 * 6))
    assert torch.autograd.gradcheck(lambda z: logit_matching(student=z, teacher=teacher), (student,))


def test_zero_where_logits_agree_up_to_a_constant_per_row() -> None:
    """A number added to a row changes nothing."""
    student, _ = both_sides(6, 5)
    moved = student + torch.arange(6, dtype=torch.float64)[:, None] * 7
    assert logit_matching(student=student, teacher=moved).item() == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    """16-bit logits give what the same numbers in float32 give, and ±10,000 stays finite."""
    student, teacher = (side.to(dtype) for side in both_sides(6, 5))
    found = logit_matching(student=student, teacher=teacher)
    assert torch.equal(found, logit_matching(student=student.float(), teacher=teacher.float()))
    far = torch.tensor([[1e4, -1e4]], dtype=dtype)
    assert logit_matching(student=far, teacher=-far).isfinite()


def test_tokens_are_averaged_over() -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    student, teacher = both_sides(3, 4, 5)
    torch.testing.assert_close(
        logit_matching(student=student, teacher=teacher),
        logit_matching(student=student.reshape(12, 5), teacher=teacher.reshape(12, 5)),
    )


def test_other_shapes_are_refused() -> None:
    """Logits of two shapes are refused, also where torch would broadcast them."""
    student, _ = both_sides(6, 5)
    with pytest.raises(ConfigurationError, match=r"one shape, got \[6, 5\] and \[6, 1\]"):
        logit_matching(student=student, teacher=student[:, :1])
