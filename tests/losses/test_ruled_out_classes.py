"""A class that both sides rule out, as masked tokens are, for losses of labels and other classes."""

from __future__ import annotations

import pytest
import torch

from distillkit.losses import DKD, NKD, WSLD, Loss
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


@pytest.mark.parametrize("loss", [DKD(), NKD(), WSLD()], ids=lambda loss: loss.kind)
def test_a_class_that_both_rule_out_is_as_if_it_were_not_there(loss: Loss) -> None:
    """−∞ on both sides changes neither loss nor gradient."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    plain = STUDENT.clone().requires_grad_()
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    expected = loss(student=Outputs(plain), teacher=Outputs(TEACHER), labels=LABELS)
    found = loss(student=Outputs(wider), teacher=Outputs(torch.cat([TEACHER, masked], dim=-1)), labels=LABELS)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, wider)
    torch.testing.assert_close(gradient[:, :5], torch.autograd.grad(expected, plain)[0])
    assert not gradient[:, 5].any()
