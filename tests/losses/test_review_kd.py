"""Distances on several grids against NumPy, and the way from deep to shallow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distillkit.functional import hierarchical_distance
from distillkit.losses import ReviewKD
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = torch.randn(2, 3, 5, 8, 8, generator=GENERATOR, dtype=torch.float64)


def averaged(maps: np.ndarray, size: int) -> np.ndarray:
    """Averages over square blocks, by NumPy."""
    block = maps.shape[-1] // size
    return maps.reshape(3, 5, size, block, size, block).mean(axis=(3, 5))


@pytest.mark.parametrize(("size", "grids"), [(8, [8, 4, 2, 1]), (4, [4, 2, 1]), (2, [2, 1]), (1, [1])])
def test_equals_numpys_averages(size: int, grids: list[int]) -> None:
    """Weights 1, 1/2, … over their sum; grids finer than the maps are left out."""
    student, teacher = (averaged(side.numpy(), size) for side in (STUDENT, TEACHER))
    total = weights = 0.0
    for level, grid in enumerate(grids):
        both = []
        for side in (student, teacher):
            block = size // grid
            both.append(side.reshape(3, 5, grid, block, grid, block).mean(axis=(3, 5)))
        total += 0.5**level * ((both[0] - both[1]) ** 2).mean()
        weights += 0.5**level
    found = hierarchical_distance(student=torch.from_numpy(student), teacher=torch.from_numpy(teacher))
    assert found.item() == pytest.approx(total / weights, rel=1e-10)


def sides() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Three stages of a student and of a teacher."""
    student = {f"s{n}": torch.randn(4, 2 * n, 8 // n, 8 // n, generator=GENERATOR) for n in (1, 2, 4)}
    teacher = {f"t{n}": torch.randn(4, 3 * n, 8 // n, 8 // n, generator=GENERATOR) for n in (1, 2, 4)}
    return student, teacher


def test_each_level_learns_from_itself_and_deeper_ones() -> None:
    """Shallow student maps get gradients from the teacher's shallow layer alone; deep ones from all."""
    student, teacher = sides()
    loss = ReviewKD(layers={"s1": "t1", "s2": "t2", "s4": "t4"})
    logits = torch.zeros(4, 2)
    adapters = loss.adapters(student=Outputs(logits, student), teacher=Outputs(logits, teacher))
    assert [mixing.attend is None for mixing in adapters] == [False, False, True]
    assert adapters[0].narrow[0].out_channels == 8  # the width of the deepest student layer
    moving = {name: one.requires_grad_() for name, one in student.items()}

    def gradients(changed: str) -> dict[str, torch.Tensor]:
        other = {**teacher, changed: teacher[changed].flip(0)}
        values = [
            loss(student=Outputs(logits, moving, adapters), teacher=Outputs(logits, side), labels=None)
            for side in (teacher, other)
        ]
        found = torch.autograd.grad(values[1] - values[0], list(moving.values()), allow_unused=True)
        return dict(zip(moving, found, strict=True))

    def moved(gradient: torch.Tensor) -> bool:
        return bool(gradient.abs().max() > 1e-7)

    assert [moved(one) for one in gradients("t4").values()] == [False, False, True]
    assert [moved(one) for one in gradients("t2").values()] == [False, True, True]
    assert [moved(one) for one in gradients("t1").values()] == [True, True, True]


def test_equals_the_layers_applied_by_hand() -> None:
    """Two levels: the deep one as it is, the shallow one mixed with what is enlarged from it."""
    student, teacher = sides()
    loss = ReviewKD(layers={"s2": "t2", "s4": "t4"})
    logits = torch.zeros(4, 2)
    adapters = loss.adapters(student=Outputs(logits, student), teacher=Outputs(logits, teacher))
    shallow, deep = adapters
    below = deep.narrow(student["s4"])
    expected = hierarchical_distance(student=deep.widen(below), teacher=teacher["t4"])
    own, enlarged = shallow.narrow(student["s2"]), below.repeat_interleave(2, 2).repeat_interleave(2, 3)
    shares = shallow.attend[0](torch.cat([own, enlarged], dim=1)).sigmoid()
    mixed = own * shares[:, [0]] + enlarged * shares[:, [1]]
    expected = expected + hierarchical_distance(student=shallow.widen(mixed), teacher=teacher["t2"])
    found = loss(student=Outputs(logits, student, adapters), teacher=Outputs(logits, teacher), labels=None)
    torch.testing.assert_close(found, expected)
