"""TRL's divergence between language models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from distillkit import functional

Agree = Callable[..., None]


@pytest.fixture
def theirs(peer: Callable[[str], Any]) -> Callable[..., torch.Tensor]:
    """Their generalised Jensen–Shannon divergence."""
    found: Callable[..., torch.Tensor] = peer("trl.experimental.gkd").GKDTrainer.generalized_jsd_loss
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_between_the_ends_they_agree_but_for_the_factor(
    theirs: Callable[..., torch.Tensor], batch: Any, share: float, agree: Agree
) -> None:
    """Theirs has no T², so its gradient shrinks as T grows; at T = 1, where it is used, they are one."""
    found = theirs(batch.student, batch.teacher, beta=share, temperature=batch.temperature)
    ours = functional.generalized_jsd(
        student=batch.student,
        teacher=batch.teacher,
        temperature=batch.temperature,
        teacher_share=share,
    )
    agree(ours, batch.temperature**2 * found, rtol=max(batch.rtol, 1e-8))


def test_at_the_ends_theirs_are_the_plain_divergences(
    theirs: Callable[..., torch.Tensor], batch: Any, agree: Agree
) -> None:
    """β = 0 is the divergence of `SoftTargets` and 1 that of `ReverseKL`; the formula itself is 0 there."""
    both = {"student": batch.student, "teacher": batch.teacher, "temperature": batch.temperature}
    for share, ours in ((0, functional.distillation_kl(**both)), (1, functional.reverse_kl(**both))):
        found = theirs(batch.student, batch.teacher, beta=share, temperature=batch.temperature)
        agree(ours, batch.temperature**2 * found, rtol=batch.rtol)


def test_padding_is_left_out_of_sum_and_number(
    theirs: Callable[..., torch.Tensor], batch: Any, agree: Agree
) -> None:
    """Positions whose label is −100 count in neither."""
    student, teacher = batch.student.view(4, 8, -1), batch.teacher.view(4, 8, -1)
    labels = batch.labels.view(4, 8).masked_fill(torch.arange(8) > 4, -100)
    found = theirs(student, teacher, labels=labels, beta=0, temperature=batch.temperature)
    ours = functional.chunked_kl(
        student=student,
        teacher=teacher,
        temperature=batch.temperature,
        rows_at_once=5,
        mask=labels != -100,
    )
    agree(ours, batch.temperature**2 * found, rtol=batch.rtol)


def test_without_labels_theirs_is_over_sequences(
    theirs: Callable[..., torch.Tensor], batch: Any, agree: Agree
) -> None:
    """Theirs then divides by the sequences and not by the positions: longer ones weigh more."""
    student, teacher = batch.student.view(4, 8, -1), batch.teacher.view(4, 8, -1)
    found = theirs(student, teacher, beta=0, temperature=batch.temperature)
    ours = functional.distillation_kl(student=student, teacher=teacher, temperature=batch.temperature)
    agree(ours, batch.temperature**2 * found / 8, rtol=batch.rtol)
