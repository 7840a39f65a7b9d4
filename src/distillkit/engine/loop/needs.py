"""What a loss asks of the engine: the layers that it looks at, found in both sides, and the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import nn

from distillkit.engine.forward.capture import Capture
from distillkit.engine.forward.compiling import CompileMode
from distillkit.losses import Loss
from distillkit.typing import LossFn

logger = logging.getLogger("distillkit")


@dataclass(frozen=True, slots=True)
class Captures:
    """What is taken of each side; `None` where the loss looks at no layer of it.

    Attributes:
        learns: Whether the loss learns something itself, which is made when there is a batch.
        scheduled: Whether the loss has other numbers at each step.
        numbered: Whether the loss needs to know which examples a batch holds.
    """

    student: Capture | None = None
    teacher: Capture | None = None
    learns: bool = False
    scheduled: bool = False
    numbered: bool = False

    def __bool__(self) -> bool:
        return self.looks or self.learns

    @property
    def looks(self) -> bool:
        """Whether the loss looks at a layer of either side."""
        return self.student is not None or self.teacher is not None

    def obstacle(self) -> str | None:
        """Why a student that learns by the loss cannot be in a stack; `None` where nothing is seen."""
        if self.scheduled:
            return "its loss follows schedules"
        if self.looks:
            return "its loss looks at features"
        if self.learns:
            return "its loss learns something itself"
        return "its loss needs to know which examples a batch holds" if self.numbered else None

    def compile_mode(self, asked: CompileMode) -> CompileMode:
        """How updates are compiled: as asked, and not at all where hooks or new numbers have to be seen."""
        if asked == "graphs" and self.scheduled:
            logger.warning(
                "The updates are not recorded as CUDA graphs: the loss follows schedules, and a recording "
                "would keep the numbers of one step."
            )
            return "off"
        if asked == "graphs" and self.numbered:
            logger.warning(
                "The updates are not recorded as CUDA graphs: the loss needs to know which examples a batch "
                "holds, and a recording would keep those of one."
            )
            return "off"
        if not self or asked == "off":
            return asked
        logger.log(
            logging.INFO if asked == "auto" else logging.WARNING,
            "Nothing is compiled or recorded: %s.",
            "the loss looks at features, and the hooks that take them would be lost"
            if self.looks
            else "the loss learns something itself, which a compiled or recorded update would leave as it is",
        )
        return "off"


def captures_for(loss: LossFn, *, student: nn.Module, teacher: nn.Module | None) -> Captures:
    """What a loss asks for.

    Raises:
        ConfigurationError: A layer that it names is not there.
    """
    if not isinstance(loss, Loss):
        return Captures()
    return Captures(
        Capture(student, loss.student_layers, "The student") if loss.student_layers else None,
        Capture(teacher, loss.teacher_layers, "The teacher")
        if teacher is not None and loss.teacher_layers
        else None,
        learns=loss.learns,
        scheduled=bool(loss.schedules()),
        numbered=loss.needs_examples,
    )
