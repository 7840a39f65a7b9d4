"""Attention maps against loops, and what leaves them as they are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from distillkit.functional import attention_distance

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(4, n, 2, 3, generator=GENERATOR, dtype=torch.float64) for n in (2, 5))


def attention(maps: Tensor) -> list[list[float]]:
    """Each example's attention as a list at length 1, by loops."""
    found = []
    for example in maps.tolist():
        flat = [
            sum(channel[i][j] ** 2 for channel in example)
            for i in range(len(example[0]))
            for j in range(len(example[0][0]))
        ]
        length = math.sqrt(sum(one**2 for one in flat))
        found.append([one / length for one in flat])
    return found


def test_equals_loops() -> None:
    """Sums of squares over channels, at length 1; mean squared difference."""
    pairs = zip(attention(STUDENT), attention(TEACHER), strict=True)
    each = [(a - b) ** 2 for one, other in pairs for a, b in zip(one, other, strict=True)]
    found = attention_distance(student=STUDENT, teacher=TEACHER).item()
    assert found == pytest.approx(sum(each) / len(each), rel=1e-12)


def test_factors_signs_and_order_of_channels_change_nothing() -> None:
    """Only where a layer is active counts."""
    changed = -3 * STUDENT.flip(1)
    assert attention_distance(student=changed, teacher=STUDENT).item() == pytest.approx(0, abs=1e-30)


def test_maps_that_do_not_overlap_are_as_far_as_can_be() -> None:
    """Two unit vectors at a right angle are √2 apart."""
    one, other = torch.zeros(2, 1, 1, 2), torch.zeros(2, 3, 1, 2)
    one[..., 0], other[..., 1] = 1.0, 2.0
    assert attention_distance(student=one, teacher=other).item() == pytest.approx(1.0)


def test_larger_maps_are_averaged_to_the_smaller() -> None:
    """Blocks of equal numbers are as the block itself, on either side."""
    large = TEACHER.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = attention_distance(student=STUDENT, teacher=TEACHER)
    torch.testing.assert_close(attention_distance(student=STUDENT, teacher=large), expected)
    torch.testing.assert_close(attention_distance(student=large, teacher=STUDENT), expected)
