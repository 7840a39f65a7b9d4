"""Small nets and data for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
def one_thread() -> Iterator[None]:
    """Small sums on one thread, so that several test runs do not fight for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net() -> Callable[..., nn.Module]:
    """Makes a small net from a seed, without touching torch's own randomness."""

    def make(seed: int, *, hidden: int = 8, dropout: float = 0.0, norm: bool = False) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            middle: list[nn.Module] = [nn.BatchNorm1d(hidden)] if norm else []
            return nn.Sequential(
                nn.Linear(INPUTS, hidden), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, CLASSES)
            )

    return make


@pytest.fixture
def counting() -> _Counting:
    """A teacher that counts its rows."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(7)
        return _Counting()


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    """Fifty labelled examples."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(CASES, INPUTS, generator=generator),
        torch.randint(CLASSES, (CASES,), generator=generator),
    )


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    """Fifty labelled images of 1 x 2 x 3."""
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(CASES, 1, 2, 3, generator=generator),
        torch.randint(CLASSES, (CASES,), generator=generator),
    )
