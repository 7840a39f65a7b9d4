"""Small nets and data for the tests of the engine."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

INPUTS, CLASSES, CASES = 6, 4, 50


class _Counting(nn.Module):
    """A linear teacher that counts the rows it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(INPUTS, CLASSES)
        self.rows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        return self.layer(x.flatten(1))


@pytest.fixture(autouse=True)
def small_sums(one_thread: None) -> None:
    """All tests here."""


@pytest.fixture
def counting() -> _Counting:
    """A teacher that counts its rows."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(7)
        return _Counting()


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    """Fifty labelled images of 1 x 2 x 3."""
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(CASES, 1, 2, 3, generator=generator),
        torch.randint(CLASSES, (CASES,), generator=generator),
    )
