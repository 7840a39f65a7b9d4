"""Fixtures that the tests of several parts share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from distillkit.mnist.data.digits import MnistData

collect_ignore = ["plugins/third_party"]
"""Somebody else's package, which is built and installed by a test and not looked into."""


@pytest.fixture(scope="session")
def few_digits() -> MnistData:
    """A stand-in of 300 training and 200 test cases."""
    from distillkit.mnist.data.digits import make_stand_in

    return make_stand_in(n_train=300, n_test=200)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small sums on one thread, so that several test runs do not fight for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net() -> Callable[..., nn.Module]:
    """Makes a small net, 6 inputs and 4 classes, from a seed, without touching torch's own randomness."""

    def make(seed: int, *, hidden: int = 8, dropout: float = 0.0, norm: bool = False) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            middle: list[nn.Module] = [nn.BatchNorm1d(hidden)] if norm else []
            return nn.Sequential(
                nn.Linear(6, hidden), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 4)
            )

    return make


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    """Fifty labelled examples of these."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, 6, generator=generator), torch.randint(4, (50,), generator=generator)


@pytest.fixture(autouse=True)
def auto_is_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers on every machine: tests of bf16 ask for it by name."""
    from distillkit.engine.forward import precision

    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pass over what needs the real MNIST where nobody says where it is."""
    if item.get_closest_marker("mnist") is not None and not os.environ.get("DISTILLKIT_DATA"):
        pytest.skip("DISTILLKIT_DATA does not name a folder that holds the real MNIST")
