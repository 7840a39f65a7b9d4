"""What a person can hang into a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from distillkit.errors import ConfigurationError

if TYPE_CHECKING:
    from distillkit.engine.distiller import Distiller


class Callback:
    """Override what you need; every method does nothing of itself.

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

    def on_fit_start(self, distiller: Distiller, epochs: int, steps: int) -> None:
        """Before the first batch.

        Args:
            distiller: The one that calls.
            epochs: Epochs ahead.
            steps: Steps an epoch; 0 where a stream does not tell.
        """

    def on_step_end(self, distiller: Distiller, step: int) -> None:
        """After each update; `step` counts from 1 in each epoch."""

    def on_epoch_end(self, distiller: Distiller, row: Mapping[str, Any]) -> None:
        """After each epoch, with its row of the history; call `distiller.stop()` to make it the last."""


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
    def on_step_end(self, distiller: Distiller, step: int) -> None:
        """Scale the vectors that are too long."""
        for part in distiller.student.modules():
            if isinstance(part, nn.Linear):
                part.weight.renorm_(p=2, dim=0, maxnorm=self._length)


def tell(distiller: Distiller, event: str, *arguments: Any) -> None:
    """Call one method of every callback of a Distiller."""
    for callback in distiller.callbacks:
        getattr(callback, event)(distiller, *arguments)


def only_watched(callbacks: Iterable[Callback]) -> bool:
    """Whether none of them has anything to do with weights or gradients after a step."""
    return all(one.only_watches or type(one).on_step_end is Callback.on_step_end for one in callbacks)
