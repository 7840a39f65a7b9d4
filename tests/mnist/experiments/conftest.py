"""Fixtures of the tests of the experiments: few cases, a small trained teacher, a short recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from distillkit.losses import HardLabels
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.experiments.recipe import Recipe, train_together
from distillkit.mnist.protocols.networks import NetworkSpec

Cases = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Falling:
    """AdamW, its learning rate falling to 0."""

    batch_size: int = 32
    clip_norm: float | None = None
    schedule_unit: Literal["epoch", "step"] = "step"
    learning_rate: float = 0.005

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(parameters, lr=self.learning_rate)

    def build_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """From 1 to 0."""
        return LambdaLR(optimizer, lambda step: 1 - step / steps)


def make_recipe(*hidden_units: int) -> Recipe:
    """Small students, fast."""
    return Recipe(network=NetworkSpec(hidden_units=hidden_units), training=Falling())


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Of students of 12 units."""
    return make_recipe(12)


@pytest.fixture(scope="session")
def train(few_digits: MnistData) -> Cases:
    """300 training cases."""
    return few_digits.train_images, few_digits.train_labels


@pytest.fixture(scope="session")
def test(few_digits: MnistData) -> Cases:
    """200 test cases."""
    return few_digits.test_images, few_digits.test_labels


@pytest.fixture(scope="session")
def teacher(train: Cases) -> nn.Sequential:
    """One of 32 units that has learnt most of the training cases."""
    wide = make_recipe(32)
    distiller = wide.distiller(loss=HardLabels(), seed=0, updates=wide.updates(len(train[1]), 15))
    assert train_together([distiller], train, wide, epochs=15) == [None]
    assert isinstance(distiller.student, nn.Sequential)
    return distiller.student.eval()
