"""How the step's size, and the momentum, go through a training of known length."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch.optim import Optimizer, lr_scheduler

Unit = Literal["epoch", "step"]
Share = Annotated[float, Field(ge=0, lt=1)]


class WarmUpAndFall(BaseModel):
    """The learning rate rises linearly from almost nothing, then falls linearly to zero, step by step."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    unit: ClassVar[Unit] = "step"

    kind: Literal["warm_up_and_fall"] = "warm_up_and_fall"
    warm_up: Share = 0.05
    """Share of the steps in which it rises, in [0, 1)."""

    def build(self, optimizer: Optimizer, steps: int) -> lr_scheduler.LRScheduler:
        """The schedule over so many steps.

        Example:
            >>> import torch
            >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
            >>> schedule = WarmUpAndFall(warm_up=0.2).build(optimizer, steps=10)
            >>> [round(schedule.lr_lambdas[0](step), 3) for step in (0, 1, 2, 9, 10)]
            [0.5, 1.0, 1.0, 0.125, 0.0]
        """
        rising = max(1, round(self.warm_up * steps))
        falling = max(1, steps - rising)
        return lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / rising, max(0, steps - step) / falling)
        )


class MomentumRamp(BaseModel):
    """The schedule of 2012: from epoch to epoch momentum rises linearly and the learning rate decays.

    The gradient counts (1 − momentum) times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    unit: ClassVar[Unit] = "epoch"

    kind: Literal["momentum_ramp"] = "momentum_ramp"
    first: Share = 0.5
    """Momentum of the first epoch, in [0, 1)."""
    last: Share = 0.99
    """Momentum from the end of the ramp on, in [0, 1)."""
    ramp_epochs: PositiveInt = 500
    """Epochs in which it rises."""
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)] = 0.998
    """Factor on the learning rate after each epoch."""

    def build(self, optimizer: Optimizer, steps: int) -> lr_scheduler.LRScheduler:
        """The schedule; it depends on the epoch alone."""
        return _Ramp(optimizer, self)

    def momentum(self, epoch: int) -> float:
        """Return the momentum of an epoch, counted from 0.

        Example:
            >>> [round(MomentumRamp().momentum(epoch), 3) for epoch in (0, 250, 500, 2999)]
            [0.5, 0.745, 0.99, 0.99]
        """
        done = min(1.0, epoch / self.ramp_epochs)
        return self.first * (1 - done) + self.last * done


class _Ramp(lr_scheduler.LRScheduler):
    """Sets momentum where torch's own schedules that move it do: as the learning rate is asked for."""

    def __init__(self, optimizer: Optimizer, settings: MomentumRamp) -> None:
        self._settings = settings
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        momentum = self._settings.momentum(self.last_epoch)
        for group in self.optimizer.param_groups:
            # torch scales the gradient by 1 − dampening before the momentum is added
            group["momentum"] = group["dampening"] = momentum
        return [rate * self._settings.learning_rate_decay**self.last_epoch for rate in self.base_lrs]


Schedule = Annotated[WarmUpAndFall | MomentumRamp, Field(discriminator="kind")]
