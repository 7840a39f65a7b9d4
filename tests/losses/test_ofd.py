"""The partial distance against a loop, and margins against means of negative numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distillkit.functional import margin_distance
from distillkit.losses import OFD
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = torch.randn(2, 3, 4, 2, 2, generator=GENERATOR, dtype=torch.float64)
MARGIN = torch.tensor([-0.1, -0.5, -1.0, 0.0], dtype=torch.float64)


def test_equals_a_loop_over_every_number() -> None:
    """The cut-off target, and nothing where the student is below one that is not above 0."""
    total = 0.0
    for n in range(3):
        for c in range(4):
            pairs = zip(STUDENT[n, c].flatten().tolist(), TEACHER[n, c].flatten().tolist(), strict=True)
            for s, t in pairs:
                target = max(t, float(MARGIN[c]))
                if not s <= target <= 0:
                    total += (target - s) ** 2
    found = margin_distance(student=STUDENT, teacher=TEACHER, margin=MARGIN).item()
    assert found == pytest.approx(total / STUDENT.numel(), rel=1e-12)


def test_a_student_that_a_relu_makes_the_teacher_is_not_moved() -> None:
    """Far below 0 where the teacher is below 0, and equal elsewhere: no loss and no gradient."""
    student = torch.where(TEACHER < 0, torch.tensor(-9.0), TEACHER).requires_grad_()
    value = margin_distance(student=student, teacher=TEACHER, margin=MARGIN)
    value.backward()
    assert value.item() == 0
    assert student.grad is not None
    assert not student.grad.any()


def test_margins_are_the_means_of_negative_numbers_so_far() -> None:
    """Of each channel, over the batches that were seen; 0 of one that was never negative."""
    loss = OFD(layers={"s": "t"})
    adapters = loss.adapters(
        student=Outputs(STUDENT, {"s": STUDENT}), teacher=Outputs(TEACHER, {"t": TEACHER})
    ).double()
    (connection,) = adapters
    always = TEACHER.clone()
    always[:, 3] = always[:, 3].abs()
    for batch in (always[:2], always[2:]):
        converted, margin = connection(STUDENT[: len(batch)], batch)
    values = always.numpy()
    expected = [values[:, c][values[:, c] < 0].mean() if (values[:, c] < 0).any() else 0.0 for c in range(4)]
    np.testing.assert_allclose(margin.numpy(), expected, rtol=1e-12)
    assert converted.shape == TEACHER[2:].shape


def test_the_loss_is_that_of_the_connected_maps() -> None:
    """Convolution, batch normalisation by the batch, and the distance."""
    loss = OFD(layers={"s": "t"})
    adapters = loss.adapters(
        student=Outputs(STUDENT, {"s": STUDENT}), teacher=Outputs(TEACHER, {"t": TEACHER})
    ).double()
    logits = torch.zeros(3, 2)
    found = loss(
        student=Outputs(logits, {"s": STUDENT}, adapters),
        teacher=Outputs(logits, {"t": TEACHER}),
        labels=None,
    )
    weight = adapters[0].convert[0].weight[:, :, 0, 0]
    maps = torch.einsum("tc,bchw->bthw", weight, STUDENT)
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), unbiased=False)
    maps = (maps - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    negative = TEACHER < 0
    margin = (TEACHER * negative).sum((0, 2, 3)) / negative.sum((0, 2, 3)).clamp(min=1)
    torch.testing.assert_close(found, margin_distance(student=maps, teacher=TEACHER, margin=margin))
