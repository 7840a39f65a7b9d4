"""How a network is trained: epochs, batches, optimiser, schedule, and what holds the weights back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, Self

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from torch import nn
from torch.optim import lr_scheduler

from distillkit.errors import ConfigurationError
from distillkit.mnist.protocols.learning_rates import MomentumRamp, Schedule, Unit
from distillkit.workbench.runs.optimizers import Optimizer, Sgd


class Training(BaseModel, ABC):
    """The settings that every training has, and what each kind makes of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epochs: PositiveInt = 25
    """Passes over the training cases."""
    batch_size: PositiveInt = 100
    """Cases a batch."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest global norm of the gradient; no limit where empty."""
    max_squared_norm: PositiveFloat | None = None
    """Largest squared length of a unit's incoming weights; no limit where empty."""

    @property
    @abstractmethod
    def schedule_unit(self) -> Unit:
        """The unit that the schedule counts."""

    @abstractmethod
    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""

    @abstractmethod
    def build_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
        """The schedule of the learning rate over all `steps` of the training."""


class DecayingSgd(Training):
    """SGD with momentum, the learning rate decaying from epoch to epoch.

    Its settings lie side by side and have no `kind`: the identities of the first published runs are hashes of
    just these.
    """

    learning_rate: PositiveFloat = 0.01
    """Learning rate of the first epoch."""
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Factor on the learning rate after each epoch."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay of SGD: added to the gradient, times the weight."""

    @property
    def schedule_unit(self) -> Unit:
        """Epochs."""
        return "epoch"

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """SGD of these parameters."""
        return torch.optim.SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fused=True,
        )

    def build_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
        """The decay; it depends on the epoch alone."""
        return lr_scheduler.ExponentialLR(optimizer, self.learning_rate_decay)


class Scheduled(Training):
    """Any optimiser under any schedule.

    Example:
        >>> from distillkit.workbench.runs.optimizers import AdamW
        >>> from distillkit.mnist.protocols.learning_rates import WarmUpAndFall
        >>> Scheduled(optimizer=AdamW(), schedule=WarmUpAndFall()).schedule_unit
        'step'
    """

    optimizer: Optimizer
    """The optimiser."""
    schedule: Schedule
    """How its learning rate, or its momentum, moves."""

    @model_validator(mode="after")
    def _a_ramp_needs_momentum(self) -> Self:
        plain = isinstance(self.optimizer, Sgd) and not self.optimizer.nesterov
        if isinstance(self.schedule, MomentumRamp) and not plain:
            raise ConfigurationError(
                "momentum_ramp moves the momentum of plain SGD: choose sgd without nesterov, or "
                "another schedule."
            )
        return self

    @property
    def schedule_unit(self) -> Unit:
        """The unit that the schedule counts."""
        return self.schedule.unit

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""
        return self.optimizer.build(parameters)

    def build_schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
        """The schedule over all steps."""
        return self.schedule.build(optimizer, steps)


AnyTraining = DecayingSgd | Scheduled
"""The kinds of training that a protocol can have, told apart by their settings."""
