"""Fixtures that the tests of several parts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distillkit.mnist.data import MnistData


@pytest.fixture(scope="session")
def few_digits() -> MnistData:
    """A stand-in of 300 training and 200 test cases."""
    from distillkit.mnist.data import make_stand_in

    return make_stand_in(n_train=300, n_test=200)
