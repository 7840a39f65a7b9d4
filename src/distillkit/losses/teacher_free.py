"""Distillation from a teacher that is made up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import distillation_kl, virtual_teacher
from distillkit.functional._logits import at_least_float32
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class TeacherFree(Loss):
    """T² · KL(virtual teacher ‖ student) at T; the virtual teacher knows the true class and nothing else.

    It gives the true class the probability a and shares 1 − a evenly among the others, and is softened like
    any teacher's answer. It needs labels and no teacher. At T = 1 it is label smoothing, but for a constant;
    at the default T the softened teacher is close to uniform.

    The paper's regularisation (Tf-KD_reg) adds it to `HardLabels`, with weights that it tunes for each
    network. It has no T², so its weight of this term is T² times the one here. The authors' code does
    something else, which at T = 20 is nearly label smoothing: it takes the softmax of the probabilities over
    T, not of their logarithms, and does not soften the student.

    Example:
        >>> TeacherFree()
        TeacherFree(kind='teacher_free', temperature=20.0, correct_probability=0.99)

    Reference:
        Yuan, Tay, Li, Wang, Feng, Revisiting Knowledge Distillation via Label Smoothing Regularization, CVPR
        2020; the default probability and T are those of the authors' code.
    """

    kind: Literal["teacher_free"] = "teacher_free"
    temperature: Temperature = 20.0
    """T > 0 by which both sides' logits are divided before the softmax; larger is softer."""
    correct_probability: float = Field(default=0.99, gt=0, lt=1)
    """a in (0, 1), which the virtual teacher gives to the true class; above 1 / classes it is right."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `teacher` is not looked at."""
        logits = at_least_float32(student.logits)
        virtual = virtual_teacher(
            self.true_labels(labels),
            classes=logits.shape[-1],
            correct_probability=self.correct_probability,
            dtype=logits.dtype,
        )
        return distillation_kl(student=logits, teacher=virtual, temperature=self.temperature)
