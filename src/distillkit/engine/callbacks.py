"""Callbacks: your own code at points of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.forward.precision import Precision
from distillkit.errors import ConfigurationError
from distillkit.metrics import Evaluation
from distillkit.typing import LossFn


class Watched(Protocol):
    """The part of a `Distiller` that a callback may use."""

    @property
    def student(self) -> nn.Module:
        """The student; its weights may be changed."""
        ...

    @property
    def teacher(self) -> nn.Module | None:
        """The teacher, if there is one."""
        ...

    @property
    def adapters(self) -> nn.Module | None:
        """The adapters of the loss, if it learns."""
        ...

    @property
    def loss(self) -> LossFn:
        """The loss, with its schedules."""
        ...

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of student and adapters; its learning rates may be changed."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the student is."""
        ...

    @property
    def precision(self) -> Precision:
        """The precision of the forward pass."""
        ...

    @property
    def seed(self) -> int:
        """The seed of the training."""
        ...

    @property
    def epochs_done(self) -> int:
        """Epochs trained so far, those of earlier calls of `fit` too."""
        ...

    def stop(self) -> None:
        """Make the current epoch the last."""
        ...

    def evaluate(self, data: Any) -> Evaluation:
        """Return the student's metrics on labelled data."""
        ...

    def logits(self, data: Any) -> Tensor:
        """Return the student's logits on data."""
        ...


class Callback:
    """Base of callbacks: override the methods that you need; by default each does nothing.

    Attributes:
        only_watches: Whether `on_step_end` leaves the student alone and looks at no gradients. An update can
            then be made in fewer passes over memory, in which gradients are nothing that can be seen.
        changes_teacher: Whether the teacher changes by it as the training goes: its answers are then never
            kept, and `teacher_cache` must be `"auto"` or `"off"`.

    Example:
        >>> class Tell(Callback):
        ...     def on_epoch_end(self, distiller, row):
        ...         print(row["epoch"], row["loss"])
    """

    only_watches: ClassVar[bool] = False
    changes_teacher: ClassVar[bool] = False

    def on_fit_start(self, distiller: Watched, epochs: int, steps: int) -> None:
        """Run before the first batch.

        Args:
            distiller: The `Distiller` that trains.
            epochs: Number of epochs to come.
            steps: Steps an epoch; 0 where a stream does not tell.
        """

    def on_step_end(self, distiller: Watched, step: int) -> None:
        """Run after each update; `step` counts from 1 in each epoch."""

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        """Run after each epoch, with its row of the history; call `distiller.stop()` to make it the last."""


class MaxNorm(Callback):
    """After each update, scale the incoming weight vector of every linear unit back to a largest length.

    Args:
        squared_length: The largest squared length, > 0; Hinton's 15 is a length of 3.87.

    Reference:
        Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors, 2012.
    """

    def __init__(self, squared_length: float) -> None:
        if not squared_length > 0:
            raise ConfigurationError(f"squared_length must be above 0, got {squared_length!r}.")
        self._length = squared_length**0.5

    @torch.no_grad()
    def on_step_end(self, distiller: Watched, step: int) -> None:
        """Scale the vectors that are too long."""
        for part in distiller.student.modules():
            if isinstance(part, nn.Linear):
                part.weight.renorm_(p=2, dim=0, maxnorm=self._length)


def callbacks_of(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """Return the callbacks as a tuple.

    Raises:
        ConfigurationError: One of them is no callback.
    """
    given: Any = callbacks if isinstance(callbacks, Iterable) else [callbacks]
    for callback in (chosen := tuple(given)):
        if not isinstance(callback, Callback):
            raise ConfigurationError(
                f"A callback must be a distillkit.Callback, got {type(callback).__name__}."
            )
    return chosen


def only_watched(callbacks: Iterable[Callback]) -> bool:
    """Whether all callbacks leave weights and gradients alone after a step."""
    return all(one.only_watches or type(one).on_step_end is Callback.on_step_end for one in callbacks)
