"""Multi-level logit distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import multi_level_kd
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class MLKD(Loss):
    """Alignment of predictions, of examples among themselves and of classes among themselves, at several T.

    The sum over the temperatures of T² · KL(teacher ‖ student) and of the squared distances of both sides'
    products P Pᵀ / √B and Pᵀ P / √C; the formula is at `functional.multi_level_kd`.

    The products look across the examples of a batch and grow with it: the batch size is a setting of this
    loss.

    The temperatures are those of the authors' code for CIFAR-100 (for ImageNet it has 1 in place of 4). It
    weighs this by 0.9 and `HardLabels` by 0.1, on weakly and strongly augmented views and at batches of 64.

    Example:
        >>> MLKD()
        MLKD(kind='mlkd', temperatures=(2.0, 3.0, 4.0, 5.0, 6.0))

    Reference:
        Jin, Wang, Lin, Multi-Level Logit Distillation, CVPR 2023.
    """

    kind: Literal["mlkd"] = "mlkd"
    temperatures: tuple[Temperature, ...] = Field(default=(2.0, 3.0, 4.0, 5.0, 6.0), min_length=1)
    """Each T > 0; the loss is the sum over them."""

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return multi_level_kd(
            student=student.logits, teacher=self.teacher_logits(teacher), temperatures=self.temperatures
        )
