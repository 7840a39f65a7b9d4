"""Updates on the batches of somebody's own training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from distillkit.engine.checks import check_devices
from distillkit.engine.data.numbering import refuse_unnumbered
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.loop.adapters import meet
from distillkit.engine.loop.scheduled_loss import loss_where, warn_untold
from distillkit.engine.teacher.signal import LiveTeacher
from distillkit.engine.update.update import update_for
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import Full
from distillkit.typing import Batch

if TYPE_CHECKING:
    from distillkit.engine.distiller import Distiller


class OwnLoop:
    """A Distiller's updates, one on each batch as it comes, with the teacher live.

    Args:
        distiller: Whose student learns.
        first: The first batch, by whose layers' shapes adapters are made.
        progress: Where the training is, in [0, 1]; `None` where the loop does not tell.

    Raises:
        ConfigurationError: Models and settings do not fit together, or need what only `fit` knows.
    """

    def __init__(self, distiller: Distiller, first: Batch, progress: float | None) -> None:
        if distiller.transfer_set != Full():
            raise ConfigurationError(
                f"step() takes a batch as it comes and cannot use {type(distiller.transfer_set).__name__}: "
                "use fit(), or leave transfer_set out and choose the examples yourself."
            )
        check_devices(distiller.student, distiller.teacher, distiller.device)
        refuse_unnumbered(distiller.captures)
        if distiller.captures and not distiller.met:
            with own_randomness(distiller.seed, distiller.device):
                meet(distiller, first)
        self._teacher: LiveTeacher | None = None
        if distiller.teacher is not None:
            self._teacher = LiveTeacher(distiller.teacher, distiller.precision, distiller.captures.teacher)
        warn_untold(distiller.loss, progress)
        self._update = update_for(distiller)
        self._loss, self._scheduled = distiller.loss, distiller.captures.scheduled

    def __call__(self, batch: Batch, progress: float | None) -> dict[str, Tensor]:
        """One update; the loss's contributions by name."""
        if self._scheduled:
            self._update.use(loss_where(self._loss, progress))
        return self._update(batch, None if self._teacher is None else self._teacher(batch))
