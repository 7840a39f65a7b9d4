"""Updates on the batches of the user's own training loop."""

from __future__ import annotations

from torch import Tensor

from distillkit.engine.data.numbering import refuse_unnumbered
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.loop.scheduled_loss import loss_at, warn_if_progress_is_missing
from distillkit.engine.loop.training import Training
from distillkit.engine.teacher.signal import LiveTeacher
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import Full
from distillkit.typing import Batch


class ManualSteps:
    """Updates of a training, one on each batch as it comes, with the teacher live.

    Args:
        training: The training; its adapters and optimiser are made here, if they are not yet.
        first: The first batch, by whose layers' shapes adapters are made.
        progress: Where the training is, in [0, 1]; `None` where the loop does not tell.

    Raises:
        ConfigurationError: Models and settings do not fit together, or need what only `fit` knows.
    """

    def __init__(self, training: Training, first: Batch, progress: float | None) -> None:
        if training.transfer_set != Full():
            raise ConfigurationError(
                f"step() takes a batch as it comes and cannot use {type(training.transfer_set).__name__}: "
                "use fit(), or leave transfer_set out and choose the examples yourself."
            )
        training.check_devices()
        refuse_unnumbered(numbered=training.captures.needs.examples)
        with own_randomness(training.seed, training.device):
            training.make(first)
        self._teacher: LiveTeacher | None = None
        if training.teacher is not None:
            self._teacher = LiveTeacher(training.teacher, training.precision, training.captures.teacher)
        warn_if_progress_is_missing(training.loss, progress)
        self._update = training.update()
        self._training = training

    def __call__(self, batch: Batch, progress: float | None) -> dict[str, Tensor]:
        """Make one update; return the loss's contributions by name."""
        training = self._training
        if training.captures.scheduled:
            self._update.use(loss_at(training.loss, progress))
        contributions = self._update(batch, None if self._teacher is None else self._teacher(batch))
        training.batches_done += 1
        training.updates_done += 1
        return contributions
