"""Optimisers and learning-rate schedules of a run file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator
from torch import nn
from torch.optim import lr_scheduler

from distillkit.errors import ConfigurationError
from distillkit.policy import Policy

Decay = Annotated[float, Field(gt=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Policy):
    """The root of the optimisers of run files, by `kind`.

    Another kind is one class; in a package of yours, its entry point is in the group `distillkit.optimizers`.
    """

    family: ClassVar[str] = "distillkit.optimizers"

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""


class Sgd(Optimizer):
    """Stochastic gradient descent.

    Example:
        >>> Sgd(learning_rate=0.1, momentum=0.9).build([nn.Parameter(torch.zeros(1))]).defaults["momentum"]
        0.9
    """

    kind: Literal["sgd"] = "sgd"
    learning_rate: PositiveFloat
    """The step's size, > 0."""
    momentum: Beta = 0.0
    """Share of the last step that is kept, in [0, 1)."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty, ≥ 0."""
    nesterov: bool = False
    """Nesterov's momentum."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ConfigurationError(
                "nesterov needs a momentum above 0: set momentum, or leave nesterov out."
            )
        return self

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""
        return torch.optim.SGD(
            found := list(parameters),
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=_can_be_fused(found),
        )


class Adam(Optimizer):
    """Adam; its weight decay is a penalty in the gradient.

    Example:
        >>> Adam().build([nn.Parameter(torch.zeros(1))]).defaults["lr"]
        0.001
    """

    kind: Literal["adam"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    """The step's size, > 0."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Memory of the gradient's mean and of its square, each in [0, 1)."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty, ≥ 0."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""
        return torch.optim.Adam(
            found := list(parameters),
            lr=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            fused=_can_be_fused(found),
        )


class AdamW(Optimizer):
    """Adam with weight decay apart from the gradient.

    Example:
        >>> AdamW(learning_rate=0.01).build([nn.Parameter(torch.zeros(1))]).defaults["lr"]
        0.01
    """

    kind: Literal["adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    """The step's size, > 0."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Memory of the gradient's mean and of its square, each in [0, 1)."""
    weight_decay: NonNegativeFloat = 0.01
    """Share of the weights, times the learning rate, that each step takes off; ≥ 0."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters."""
        return torch.optim.AdamW(
            found := list(parameters),
            lr=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            fused=_can_be_fused(found),
        )


class Schedule(Policy):
    """How the learning rate goes from epoch to epoch, by `kind`.

    Another kind is one class; in a package of yours, its entry point is in the group `distillkit.schedules`.
    """

    family: ClassVar[str] = "distillkit.schedules"

    @abstractmethod
    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule on an optimiser, told the number of epochs; it is advanced after each."""


class Constant(Schedule):
    """The same learning rate in every epoch."""

    kind: Literal["constant"] = "constant"

    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule on an optimiser."""
        return lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)


class Exponential(Schedule):
    """After each epoch the learning rate is multiplied by one number."""

    kind: Literal["exponential"] = "exponential"
    decay: Decay
    """The factor of each step, in (0, 1]."""

    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule on an optimiser."""
        return lr_scheduler.ExponentialLR(optimizer, self.decay)


class Cosine(Schedule):
    """The learning rate falls along half a cosine over all epochs."""

    kind: Literal["cosine"] = "cosine"
    final_learning_rate: NonNegativeFloat = 0.0
    """The lowest learning rate, ≥ 0."""

    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule on an optimiser."""
        return lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=self.final_learning_rate)


class Step(Schedule):
    """Every few epochs the learning rate is multiplied by one number."""

    kind: Literal["step"] = "step"
    epochs: int = Field(ge=1)
    """After how many epochs, each time, ≥ 1."""
    decay: Decay = 0.1
    """The factor of each epoch, in (0, 1]."""

    def build(self, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
        """The schedule on an optimiser."""
        return lr_scheduler.StepLR(optimizer, self.epochs, gamma=self.decay)


def _can_be_fused(parameters: Sequence[nn.Parameter]) -> bool | None:
    """True where one kernel can update them all; `None` leaves the choice to torch."""
    usual = all(one.device.type in {"cpu", "cuda"} and one.is_floating_point() for one in parameters)
    return usual or None
