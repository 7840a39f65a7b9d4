"""What a package with a loss tests: the number itself, and all that every loss promises."""

from __future__ import annotations

import math

import pytest
import torch
from cosine_targets import CosineTargets

from distillkit.testing import check_loss
from distillkit.typing import Outputs


def test_right_angles() -> None:
    """Certain of one class each, the sides are as far apart as can be: T² · 1."""
    student, teacher = torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 99.0]])
    found = CosineTargets(temperature=2)(student=Outputs(student), teacher=Outputs(teacher), labels=None)
    assert math.isclose(found.item(), 4, rel_tol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_keeps_what_every_loss_promises(temperature: float) -> None:
    """One line."""
    check_loss(CosineTargets(temperature=temperature))
