"""The course of a training: how far it is, and the loss that is right there."""

from __future__ import annotations

import logging

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import LossFn

logger = logging.getLogger("distillkit")


class Course:
    """Gives the loss of each step of a `fit`, of a loss that follows schedules.

    Args:
        loss: Follows at least one.
        epochs: Epochs ahead.
        steps: Steps an epoch; 0 where a stream does not tell, and epochs are all that can be counted.
    """

    def __init__(self, loss: Loss, epochs: int, steps: int) -> None:
        self._loss, self._epochs, self._steps = loss, epochs, steps
        self._begun = 0
        if not steps:
            logger.info("The loss's schedules go on from epoch to epoch: a stream does not tell its steps.")

    def begin_epoch(self) -> dict[str, float]:
        """Go on to the next epoch; its first step's numbers, by the names of their fields."""
        self._begun += 1
        return {name: one.at(self._progress(0)) for name, one in self._loss.schedules().items()}

    def loss(self, step: int) -> Loss:
        """The loss of a step of the epoch in hand, from 0."""
        return self._loss.at(self._progress(step))

    def _progress(self, step: int) -> float:
        # a data set may give more batches than it has told
        within = min(step / self._steps, 1.0) if self._steps else 0.0
        return (self._begun - 1 + within) / self._epochs


def course_for(loss: LossFn, *, epochs: int, steps: int) -> Course | None:
    """The course of a `fit`; `None` where the loss is the same at every step."""
    return Course(loss, epochs, steps) if isinstance(loss, Loss) and loss.schedules() else None


def warn_untold(loss: LossFn, progress: float | None) -> None:
    """Say that somebody's own loop leaves the schedules of its loss where they begin."""
    if progress is None and isinstance(loss, Loss) and loss.schedules():
        logger.warning(
            "The loss follows schedules (%s), and step() is not told how far the training is, so they stay "
            "where they begin: pass step(batch, progress=...).",
            ", ".join(loss.schedules()),
        )


def loss_where(loss: LossFn, progress: float | None) -> LossFn:
    """The loss of one step of somebody's own loop; as at the start where that does not tell how far it is.

    Raises:
        ConfigurationError: `progress` is no share.
    """
    if progress is not None and not 0 <= progress <= 1:
        raise ConfigurationError(
            f"progress is the share of the training that is done, in [0, 1]; got {progress!r}."
        )
    return loss.at(progress or 0.0) if isinstance(loss, Loss) else loss
