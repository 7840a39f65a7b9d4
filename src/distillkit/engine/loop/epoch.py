"""One pass over a transfer set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from distillkit.engine.callbacks import tell
from distillkit.engine.data.seeds import epoch_order
from distillkit.engine.data.sources import Source
from distillkit.engine.data.views import viewed
from distillkit.engine.forward.modes import mode
from distillkit.engine.loop.scheduled_loss import Course
from distillkit.engine.loop.step_log import StepLog
from distillkit.engine.settings import advance
from distillkit.engine.teacher.signal import TeacherSignal
from distillkit.engine.update.update import Update

if TYPE_CHECKING:
    from distillkit.engine.distiller import Distiller


def train_epoch(
    distiller: Distiller,
    update: Update,
    source: Source,
    selected: Tensor | None,
    signal: TeacherSignal | None,
    course: Course | None,
) -> dict[str, Any]:
    """Train a Distiller's student for one epoch; return its row of the history but for the epoch's number.

    Args:
        distiller: Whose student, schedule and callbacks they are.
        update: Makes the updates.
        source: Where the examples are.
        selected: The numbers of those that the transfer set chooses; `None` of a stream.
        signal: The teacher's answers.
        course: Gives the loss of each step, where it follows schedules.
    """
    epoch, schedule = distiller.epochs_done, distiller.schedule
    log = StepLog(epoch)
    learning_rate = float(distiller.optimizer.param_groups[0]["lr"])
    each_step = schedule is not None and distiller.schedule_unit == "step"
    order = selected
    if selected is not None and source.shuffles:
        order = epoch_order(selected, distiller.seed, epoch)
    update.begin_epoch()
    numbers = {} if course is None else course.begin_epoch()
    with mode(distiller.student, training=True):
        for step, batch in enumerate(viewed(source.batches(order), distiller.transfer_set, epoch), start=1):
            if course is not None:
                update.use(course.loss(step - 1))
            log.add(update(batch, None if signal is None else signal(batch)))
            if each_step:
                advance(schedule)
            tell(distiller, "on_step_end", step)
    means = log.means()
    if not each_step:
        advance(schedule, means["loss"])
    distiller.epochs_done += 1
    return {**means, "learning_rate": learning_rate, **numbers}
