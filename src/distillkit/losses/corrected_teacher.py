"""A loss with a teacher whose mistakes are mended first."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from distillkit.functional import swap_wrong_predictions
from distillkit.losses.around import Around
from distillkit.losses.base import Loss
from distillkit.losses.soft_targets import SoftTargets
from distillkit.typing import Labels, Outputs


class CorrectedTeacher(Around):
    """Another loss, with a teacher that gives the true class what it gave the class that it predicted.

    Where the teacher is wrong, its logits of the predicted and of the true class are exchanged; all others,
    and all right answers, stay. It needs labels.

    The default inside is a usual choice for CIFAR-100 and not the paper's recommendation: choose it as you
    would without the correction.

    Example:
        >>> CorrectedTeacher().loss
        SoftTargets(kind='soft_targets', temperature=4.0)

    Reference:
        Wen, Lai, Qian, Preparing Lessons: Improve Knowledge Distillation with Better Supervision, 2019,
        Knowledge Adjustment: probability shift.
    """

    kind: Literal["corrected_teacher"] = "corrected_teacher"
    loss: Loss = SoftTargets(temperature=4.0)
    """The loss that sees the corrected teacher."""

    def seen(
        self, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> tuple[Outputs, Outputs | None]:
        """The student as it is, and the teacher corrected."""
        taught = self.teachers(teacher)
        logits = swap_wrong_predictions(teacher=taught.logits, labels=self.true_labels(labels))
        return student, replace(taught, logits=logits)
