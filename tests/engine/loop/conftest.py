"""A loss on features for the tests of the engine."""

from __future__ import annotations

from typing import Literal

import pytest

from distillkit.losses import FeatureLoss


class Apart(FeatureLoss):
    """The mean squared distance of features of one shape."""

    kind: Literal["apart_for_tests"] = "apart_for_tests"

    def __call__(self, *, student, teacher, labels):
        """The sum over the pairs."""
        return sum((s - t).square().mean() for s, t in self.pairs(student, teacher))


@pytest.fixture
def apart():
    """The class."""
    return Apart
