"""Small networks and data in float64 for the tests of the methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

INPUTS, CLASSES, CASES = 6, 4, 50


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small sums on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net() -> Callable[..., nn.Module]:
    """Makes a small network from a seed, without touching torch's own randomness."""

    def make(seed: int, *, hidden: int = 8, norm: bool = False, dropout: float = 0.0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            middle: list[nn.Module] = [nn.BatchNorm1d(hidden)] if norm else []
            return nn.Sequential(
                nn.Linear(INPUTS, hidden), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, CLASSES)
            ).double()

    return make


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    """Fifty labelled examples."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(CASES, INPUTS, generator=generator, dtype=torch.float64),
        torch.randint(CLASSES, (CASES,), generator=generator),
    )
