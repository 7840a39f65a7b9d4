"""Fixtures that the tests of several parts share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distillkit.mnist.data import MnistData

collect_ignore = ["plugins/third_party"]
"""Somebody else's package, which is built and installed by a test and not looked into."""


@pytest.fixture(scope="session")
def few_digits() -> MnistData:
    """A stand-in of 300 training and 200 test cases."""
    from distillkit.mnist.data import make_stand_in

    return make_stand_in(n_train=300, n_test=200)


@pytest.fixture(autouse=True)
def auto_is_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers on every machine: tests of bf16 ask for it by name."""
    from distillkit.engine import precision

    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pass over what needs the real MNIST where nobody says where it is."""
    if item.get_closest_marker("mnist") is not None and not os.environ.get("DISTILLKIT_DATA"):
        pytest.skip("DISTILLKIT_DATA does not name a folder that holds the real MNIST")
