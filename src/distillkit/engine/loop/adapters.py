"""What a loss learns itself: made when the layers' shapes are known, and trained beside the student."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.data.numbering import Numbering
from distillkit.engine.forward.capture import outputs_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.settings import (
    OptimizerFactory,
    Schedule,
    ScheduleFactory,
    optimizer_for,
    schedule_for,
)
from distillkit.engine.teacher.signal import LiveTeacher
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import Batch

if TYPE_CHECKING:
    from distillkit.engine.distiller import Distiller

logger = logging.getLogger("distillkit")


def meet(distiller: Distiller, batch: Batch | None, numbering: Numbering | None = None) -> None:
    """Make what a Distiller's loss learns, now that there is a batch; its optimiser trains that too.

    Initial values come from torch's generator. An empty stream, which has no batch, changes nothing.
    """
    if batch is None or not isinstance(distiller.loss, Loss):
        return
    adapters = adapters_for(distiller.loss, batch, distiller, numbering)
    if adapters is not None:
        distiller.optimizer, distiller.schedule = trained_with(
            distiller.student, adapters, *distiller.given, distiller.schedule_unit
        )
    distiller.adapters, distiller.met = adapters, True


def adapters_for(
    loss: Loss, batch: Batch, distiller: Distiller, numbering: Numbering | None
) -> nn.Module | None:
    """What a loss learns between the layers of both sides; `None` of one that learns nothing.

    Both answer the batch once, in evaluation mode and without gradients, for the shapes of what their layers
    give.
    """
    student, teacher = distiller.student, distiller.teacher
    precision, captures = distiller.precision, distiller.captures
    with mode(student, training=False), torch.no_grad(), precision.autocast():
        of_student = outputs_of(student, batch.inputs, "The student", captures.student)
    if numbering is not None:
        of_student = numbering(of_student, batch)
    live = None if teacher is None else LiveTeacher(teacher, precision, captures.teacher)
    of_teacher = None if live is None else live(batch)
    made = loss.adapters(student=of_student, teacher=of_teacher)
    logger.info(
        "The loss looks at %s of the student and %s of the teacher; it learns %s.",
        _listed(of_student.features),
        _listed({} if of_teacher is None else of_teacher.features),
        _described(made),
    )
    # as the student's, which may be in float64
    like = next(student.parameters())
    return None if made is None else made.to(like.device, like.dtype)


def trained_with(
    student: nn.Module,
    adapters: nn.Module,
    optimizer: Optimizer | OptimizerFactory | None,
    schedule: Schedule | ScheduleFactory | None,
    schedule_unit: str,
) -> tuple[Optimizer, Schedule | None]:
    """Optimiser and schedule for a student and its loss's adapters, from what was given for the student.

    Functions that make them are called again, for both; an optimiser that was made gets a group more.

    Raises:
        ConfigurationError: The schedule was made for an optimiser without that group.
    """
    if not isinstance(optimizer, Optimizer):
        made = optimizer_for(nn.ModuleList([student, adapters]), optimizer)
        return made, schedule_for(made, schedule, schedule_unit)
    if schedule is not None and not callable(schedule):
        raise ConfigurationError(
            "The loss learns adapters, which the optimiser trains too, and this schedule was made before "
            "there were any: pass functions, optimizer=lambda parameters: ... and schedule=lambda optimizer: "
            "..., which are called when both are known."
        )
    for group in optimizer.param_groups:
        # a schedule may have set its first rate, and is made anew
        group["lr"] = group.pop("initial_lr", group["lr"])
    optimizer.add_param_group({"params": list(adapters.parameters())})
    return optimizer, schedule_for(optimizer, schedule, schedule_unit)


def _listed(features: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {list(one.shape[1:])}" for name, one in features.items()) or "no layer"


def _described(adapters: nn.Module | None) -> str:
    if adapters is None:
        return "nothing itself"
    parts = [
        str(one) for one in adapters.modules() if not any(one.children()) and type(one) is not nn.ModuleList
    ]
    numbers = sum(parameter.numel() for parameter in adapters.parameters())
    return f"{', '.join(parts)} ({numbers:,} numbers)"
