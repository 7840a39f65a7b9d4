"""A teacher whose mistakes are mended: against a loop, and what stays."""

from __future__ import annotations

import pytest
import torch

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.functional import swap_wrong_predictions
from distillkit.losses import DIST, DKD, WSLD, CorrectedTeacher, Loss, SoftTargets
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.randint(5, (40,), generator=torch.Generator().manual_seed(1))


def by_hand() -> torch.Tensor:
    """The teacher's logits, mended row by row in Python alone."""
    rows = []
    for row, label in zip(TEACHER.tolist(), LABELS.tolist(), strict=True):
        predicted = row.index(max(row))
        row[predicted], row[label] = row[label], row[predicted]
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def test_equals_a_loop() -> None:
    """The logits of the predicted and the true class are exchanged, and all others stay."""
    assert torch.equal(swap_wrong_predictions(teacher=TEACHER, labels=LABELS), by_hand())


def test_the_mended_teacher_is_always_right() -> None:
    """It predicts each label; rows that were right are as they were, and each row has its numbers."""
    mended = swap_wrong_predictions(teacher=TEACHER, labels=LABELS)
    right = TEACHER.argmax(-1) == LABELS
    assert 0 < right.sum() < 40
    assert torch.equal(mended.argmax(-1), LABELS)
    assert torch.equal(mended[right], TEACHER[right])
    assert torch.equal(mended.sort(-1).values, TEACHER.sort(-1).values)


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_probabilities_are_exchanged_at_every_temperature(temperature: float) -> None:
    """The paper exchanges softened probabilities; exchanging logits does that."""
    softened = (TEACHER / temperature).softmax(-1)
    torch.testing.assert_close(
        (by_hand() / temperature).softmax(-1), swap_wrong_predictions(teacher=softened, labels=LABELS)
    )


def test_ties_are_right_answers() -> None:
    """Where the true class is as likely as the predicted one, nothing changes."""
    tied = torch.tensor([[1.0, 1.0, 0.0]])
    assert torch.equal(swap_wrong_predictions(teacher=tied, labels=torch.tensor([1])), tied)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_shape_and_type(dtype: torch.dtype) -> None:
    """`[batch, tokens, classes]` in any precision, and −∞ may be among the logits."""
    teacher = TEACHER.to(dtype)
    teacher[:, 3] = -torch.inf
    flat = swap_wrong_predictions(teacher=teacher, labels=LABELS)
    assert flat.dtype == dtype
    tokens = swap_wrong_predictions(teacher=teacher.view(8, 5, 5), labels=LABELS.view(8, 5))
    assert torch.equal(tokens.view(40, 5), flat)
    at_label = flat.gather(-1, LABELS[:, None]).squeeze(-1)
    assert torch.equal(at_label, flat.amax(-1))  # in bfloat16 there are ties


@pytest.mark.parametrize("inner", [SoftTargets(temperature=4), DKD()], ids=repr)
def test_the_loss_inside_sees_the_mended_teacher(inner: Loss) -> None:
    """It is the loss with the teacher mended by hand."""
    found = CorrectedTeacher(loss=inner)(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS)
    expected = inner(student=Outputs(STUDENT), teacher=Outputs(by_hand()), labels=LABELS)
    assert torch.equal(found, expected)


def test_contributions_and_properties_are_those_of_the_loss_inside() -> None:
    """The names in the history, and what the loss says of itself, pass through."""
    loss = CorrectedTeacher(loss=losses.hinton(temperature=2, hard_label_weight=0.1))
    parts = loss.contributions(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS)
    assert list(parts) == ["soft", "hard"]
    assert not CorrectedTeacher().needs().whole_batch
    assert CorrectedTeacher(loss=DIST()).needs().whole_batch
    assert CorrectedTeacher().gradient_is_of_the_value
    assert not CorrectedTeacher(loss=WSLD()).gradient_is_of_the_value


def test_what_it_needs() -> None:
    """Labels and a teacher, or a sentence that says so."""
    with pytest.raises(ConfigurationError, match="CorrectedTeacher needs labels"):
        CorrectedTeacher()(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    with pytest.raises(ConfigurationError, match="CorrectedTeacher compares the student with a teacher"):
        CorrectedTeacher()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
