"""The needs of a loss in the engine: the layers that it looks at, in both models, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from distillkit.engine.forward.capture import Capture
from distillkit.engine.forward.compiling import Compiling
from distillkit.losses import Loss, Needs
from distillkit.typing import LossFn


@dataclass(frozen=True, slots=True)
class Captures:
    """The needs of a loss, and the hooks that take its layers from each side.

    Attributes:
        needs: What the loss says of itself.
        scheduled: Whether the loss has other numbers at each step.
        student: Takes what the student's layers give; `None` where the loss looks at none.
        teacher: Takes what the teacher's layers give; `None` where the loss looks at none.
    """

    needs: Needs
    scheduled: bool = False
    student: Capture | None = None
    teacher: Capture | None = None

    @property
    def looks(self) -> bool:
        """Whether the loss looks at a layer of either side."""
        return self.student is not None or self.teacher is not None

    def obstacle(self) -> str | None:
        """Return why a student with this loss cannot be in a stack; `None` where nothing is seen."""
        if self.scheduled:
            return "its loss follows schedules"
        if self.looks:
            return "its loss looks at features"
        if self.needs.learns:
            return "its loss learns something itself"
        return "its loss needs to know which examples a batch holds" if self.needs.examples else None

    def compiling(self, asked: Compiling) -> Compiling:
        """Return how updates are compiled: as asked, except where hooks or new numbers have to be seen."""
        reason = None
        if asked.graphs and self.scheduled:
            reason = "the loss follows schedules, and a recording would keep the numbers of one step"
        elif asked.graphs and self.needs.examples:
            reason = (
                "the loss needs to know which examples a batch holds, and a recording would keep those of one"
            )
        elif self.looks:
            reason = "the loss looks at features, and the hooks that take them would be lost"
        elif self.needs.learns:
            reason = (
                "the loss learns something itself, which a compiled or recorded update would leave as it is"
            )
        return asked if reason is None else asked.switched_off(reason)


def captures_for(loss: LossFn, *, student: nn.Module, teacher: nn.Module | None) -> Captures:
    """Return what a loss needs, with its layers found in both models.

    Raises:
        ConfigurationError: A layer that it names is not there.
    """
    if not isinstance(loss, Loss):
        return Captures(Needs())
    needs = loss.needs()
    return Captures(
        needs,
        bool(loss.schedules()),
        Capture(student, needs.student_layers, "The student") if needs.student_layers else None,
        Capture(teacher, needs.teacher_layers, "The teacher")
        if teacher is not None and needs.teacher_layers
        else None,
    )
