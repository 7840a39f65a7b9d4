"""Making the adapters of a loss: what it learns itself, once the layers' shapes are known."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from distillkit.engine.data.numbering import Numbering
from distillkit.engine.forward.capture import outputs_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.loop.needs import Captures
from distillkit.engine.teacher.signal import LiveTeacher
from distillkit.losses import Loss
from distillkit.typing import Batch

logger = logging.getLogger("distillkit")


class Trained(nn.Module):
    """A student and its loss's adapters as one module, for what treats both alike."""

    def __init__(self, student: nn.Module, adapters: nn.Module | None) -> None:
        super().__init__()
        self.student, self.adapters = student, adapters


def make_adapters(
    loss: Loss,
    batch: Batch,
    *,
    student: nn.Module,
    teacher: nn.Module | None,
    captures: Captures,
    precision: Precision,
    numbering: Numbering | None,
) -> nn.Module | None:
    """Make what a loss learns between the layers of both sides; `None` of one that learns nothing.

    Both models run on the batch once, in evaluation mode and without gradients, for the shapes of their
    layers. Initial values come from torch's generator.
    """
    with mode(student, training=False), torch.no_grad(), precision.autocast():
        of_student = outputs_of(student, batch.inputs, "The student", captures.student)
    if numbering is not None:
        of_student = numbering(of_student, batch)
    live = None if teacher is None else LiveTeacher(teacher, precision, captures.teacher)
    of_teacher = None if live is None else live(batch)
    adapters = loss.adapters(student=of_student, teacher=of_teacher)
    logger.info(
        "The loss looks at %s of the student and %s of the teacher; it learns %s.",
        _listed(of_student.features),
        _listed({} if of_teacher is None else of_teacher.features),
        _described(adapters),
    )
    # as the student's, which may be in float64
    like = next(student.parameters())
    return None if adapters is None else adapters.to(like.device, like.dtype)


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
