"""Hints against a double loop and a regression in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.functional import hint_regression
from distillkit.losses import FitNet
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(4, n, 3, 3, generator=GENERATOR, dtype=torch.float64) for n in (2, 3))


def test_equals_a_loop_over_every_number() -> None:
    """Half the squared difference of each, over their count, averaged over the batch."""
    total = 0.0
    guess = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for example, other in zip(guess, TEACHER, strict=True):
        for r, u in zip(example.flatten().tolist(), other.flatten().tolist(), strict=True):
            total += (r - u) ** 2 / (2 * 27)
    assert hint_regression(student=guess, teacher=TEACHER).item() == pytest.approx(total / 4, rel=1e-12)


def test_the_regressor_is_a_product_at_each_position() -> None:
    """The loss with weights W and b is that of W · student + b, position by position."""
    loss = FitNet(layers={"s": "t"})
    adapters = loss.adapters(
        student=Outputs(STUDENT, {"s": STUDENT}), teacher=Outputs(TEACHER, {"t": TEACHER})
    ).double()
    (convolution,) = adapters
    weight, bias = convolution.weight[:, :, 0, 0], convolution.bias
    guess = torch.einsum("tc,bchw->bthw", weight, STUDENT) + bias[:, None, None]
    logits = torch.zeros(4, 2)
    found = loss(
        student=Outputs(logits, {"s": STUDENT}, adapters),
        teacher=Outputs(logits, {"t": TEACHER}),
        labels=None,
    )
    assert found.item() == pytest.approx(((guess - TEACHER) ** 2).mean().item() / 2, rel=1e-12)


def test_the_best_regressor_is_that_of_least_squares() -> None:
    """Trained to the end, the loss is the residual of NumPy-like least squares."""
    student, teacher = STUDENT.mean((2, 3)).repeat(5, 1), torch.randn(20, 3, dtype=torch.float64)
    student = student + 0.1 * torch.randn(20, 2, dtype=torch.float64)
    rows = torch.cat([student, torch.ones(20, 1, dtype=torch.float64)], dim=1)
    residual = teacher - rows @ torch.linalg.lstsq(rows, teacher).solution
    linear = nn.Linear(2, 3).double()
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = hint_regression(student=linear(student), teacher=teacher)
        value.backward()
        return value

    optimizer.step(closure)
    assert closure().item() == pytest.approx(residual.square().mean().item() / 2, rel=1e-6)


def test_other_shapes_are_refused() -> None:
    """Also where torch would stretch one over the other."""
    with pytest.raises(ConfigurationError, match=r"one shape, got \[4, 3, 3, 1\]"):
        hint_regression(student=TEACHER[..., :1], teacher=TEACHER)
