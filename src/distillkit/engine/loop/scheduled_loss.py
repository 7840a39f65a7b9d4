"""The loss of each step, where its weights or temperatures follow schedules."""

from __future__ import annotations

import logging

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import LossFn

logger = logging.getLogger("distillkit")


class ScheduledLoss:
    """Gives the loss of each step of a `fit`.

    Args:
        loss: A loss that follows at least one schedule.
        total: Epochs from the first to the last value of the schedules.
        done: Epochs that are trained already.
        steps: Steps an epoch; 0 where a stream does not tell, and epochs are all that can be counted.
    """

    def __init__(self, loss: Loss, *, total: int, steps: int, done: int = 0) -> None:
        self._loss, self.total, self.done, self._steps = loss, total, done, steps
        if not steps:
            logger.info("The loss's schedules go on from epoch to epoch: a stream does not tell its steps.")

    def numbers(self) -> dict[str, float]:
        """Return the scheduled numbers of the current epoch's first step, by the names of their fields."""
        return {name: one.at(self._progress(0)) for name, one in self._loss.schedules().items()}

    def loss(self, step: int) -> Loss:
        """Return the loss of a step of the current epoch, from 0."""
        return self._loss.at(self._progress(step))

    def _progress(self, step: int) -> float:
        # a data set may give more batches than it has told
        within = min(step / self._steps, 1.0) if self._steps else 0.0
        return (self.done + within) / self.total


def warn_if_progress_is_missing(loss: LossFn, progress: float | None) -> None:
    """Warn that a loop with `step` leaves the schedules of its loss where they begin."""
    if progress is None and isinstance(loss, Loss) and loss.schedules():
        logger.warning(
            "The loss follows schedules (%s), and step() is not told how far the training is, so they stay "
            "where they begin: pass step(batch, progress=...).",
            ", ".join(loss.schedules()),
        )


def loss_at(loss: LossFn, progress: float | None) -> LossFn:
    """Return the loss at a share of the training; at its beginning where there is none.

    Raises:
        ConfigurationError: `progress` is no share.
    """
    if progress is not None and not 0 <= progress <= 1:
        raise ConfigurationError(
            f"progress is the share of the training that is done, in [0, 1]; got {progress!r}."
        )
    return loss.at(progress or 0.0) if isinstance(loss, Loss) else loss
