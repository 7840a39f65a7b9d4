"""Flows against loops, and what they need."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import flow_distance
from distillkit.losses import FSP
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)


def maps(channels: int, size: int = 2) -> torch.Tensor:
    """Of three examples."""
    return torch.randn(3, channels, size, size, generator=GENERATOR, dtype=torch.float64)


STUDENT, TEACHER = [maps(2), maps(3), maps(4)], [maps(2), maps(3), maps(4)]


def test_equals_loops() -> None:
    """The mean over positions for each two channels; squared differences, averaged over the batch."""
    total = 0.0
    for n in range(3):
        for i in range(2):
            for j in range(3):
                flows = [
                    sum(float(side[0][n, i, h, w] * side[1][n, j, h, w]) for h in range(2) for w in range(2))
                    / 4
                    for side in (STUDENT, TEACHER)
                ]
                total += (flows[0] - flows[1]) ** 2
    found = flow_distance(student=(STUDENT[0], STUDENT[1]), teacher=(TEACHER[0], TEACHER[1])).item()
    assert found == pytest.approx(total / 3, rel=1e-10)


def test_each_step_to_the_next_layer_counts() -> None:
    """Three layers are two steps, in the order of `layers`."""
    loss = FSP(layers={"a": "x", "b": "y", "c": "z"})
    logits = torch.zeros(3, 2)
    found = loss(
        student=Outputs(logits, dict(zip("abc", STUDENT, strict=True))),
        teacher=Outputs(logits, dict(zip("xyz", TEACHER, strict=True))),
        labels=None,
    )
    steps = [
        flow_distance(student=(STUDENT[n], STUDENT[n + 1]), teacher=(TEACHER[n], TEACHER[n + 1]))
        for n in range(2)
    ]
    torch.testing.assert_close(found, steps[0] + steps[1])


def test_maps_of_two_sizes_are_averaged_within_a_side() -> None:
    """Blocks of equal numbers are as the block itself."""
    large = STUDENT[0].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(
        flow_distance(student=(large, STUDENT[1]), teacher=(TEACHER[0], TEACHER[1])),
        flow_distance(student=(STUDENT[0], STUDENT[1]), teacher=(TEACHER[0], TEACHER[1])),
    )


def test_one_layer_leads_nowhere() -> None:
    """One pair is an error that says so."""
    with pytest.raises(ConfigurationError, match="is one pair: name two or more"):
        FSP(layers={"a": "x"})(
            student=Outputs(torch.zeros(3, 2), {"a": STUDENT[0]}),
            teacher=Outputs(torch.zeros(3, 2), {"x": TEACHER[0]}),
            labels=None,
        )
