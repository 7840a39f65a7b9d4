"""The small nets and data in double precision: sums are compared to many digits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def small_sums(one_thread: None) -> None:
    """All tests here."""


@pytest.fixture
def net(net: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Makes a small net from a seed."""
    return lambda *given, **named: net(*given, **named).double()


@pytest.fixture
def data(data: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Fifty labelled examples."""
    return data[0].double(), data[1]
