"""The virtual teacher against NumPy, and against label smoothing at T = 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distillkit.errors import ConfigurationError
from distillkit.functional import virtual_teacher
from distillkit.losses import TeacherFree
from distillkit.schedules import Linear
from distillkit.typing import Outputs

LOGITS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def value(loss: TeacherFree, logits: torch.Tensor = LOGITS) -> torch.Tensor:
    """The loss of the batch."""
    return loss(student=Outputs(logits), teacher=None, labels=LABELS)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("correct", [0.5, 0.9, 0.99])
def test_equals_numpy(temperature: float, correct: float) -> None:
    """From probabilities: to the power 1 / T and made to sum to 1; times T²."""
    virtual = np.full((6, 5), (1 - correct) / 4)
    virtual[np.arange(6), LABELS.numpy()] = correct
    p = virtual ** (1 / temperature)
    p /= p.sum(1, keepdims=True)
    powers = np.exp(LOGITS.numpy() / temperature)
    q = powers / powers.sum(1, keepdims=True)
    expected = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    found = value(TeacherFree(temperature=temperature, correct_probability=correct))
    assert found.item() == pytest.approx(expected, rel=1e-11)


def test_at_temperature_1_it_is_label_smoothing() -> None:
    """The same gradient, with the share that leaves the true class its probability."""
    one, other = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    value(TeacherFree(temperature=1, correct_probability=0.9), one).backward()
    F.cross_entropy(other, LABELS, label_smoothing=0.1 * 5 / 4).backward()
    torch.testing.assert_close(one.grad, other.grad)


def test_virtual_teacher_has_its_probabilities() -> None:
    """In any type and for tokens; torch's default type where none is named."""
    p = virtual_teacher(LABELS.view(2, 3), classes=5, correct_probability=0.9, dtype=torch.float64).softmax(
        -1
    )
    assert p.shape == (2, 3, 5)
    expected = 0.9 * F.one_hot(LABELS.view(2, 3), 5) + 0.025 * (1 - F.one_hot(LABELS.view(2, 3), 5))
    torch.testing.assert_close(p, expected.double())
    assert virtual_teacher(LABELS, classes=5, correct_probability=0.9).dtype == torch.get_default_dtype()


def test_a_probability_as_a_tensor_is_the_same() -> None:
    """As under a stack of students that differ in it."""
    tensor = torch.tensor(0.9, dtype=torch.float64)
    torch.testing.assert_close(
        virtual_teacher(LABELS, classes=5, correct_probability=tensor, dtype=torch.float64),
        virtual_teacher(LABELS, classes=5, correct_probability=0.9, dtype=torch.float64),
    )


def test_no_teacher_is_looked_at() -> None:
    """Whatever it says."""
    loss = TeacherFree()
    with_one = loss(student=Outputs(LOGITS), teacher=Outputs(-LOGITS), labels=LABELS)
    assert torch.equal(with_one, value(loss))


def test_temperature_may_follow_a_schedule() -> None:
    """As any temperature."""
    loss = TeacherFree(temperature=Linear(start=20, end=10))
    assert loss.at(0.5) == TeacherFree(temperature=15)


def test_what_it_needs() -> None:
    """Labels; a probability within (0, 1)."""
    with pytest.raises(ConfigurationError, match="TeacherFree needs labels"):
        TeacherFree()(student=Outputs(LOGITS), teacher=None, labels=None)
    for correct in (0, 1, 1.5):
        with pytest.raises(ConfigurationError, match="correct_probability"):
            TeacherFree(correct_probability=correct)
