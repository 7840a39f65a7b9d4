"""The contributions of a loss to a batch, by name."""

from __future__ import annotations

from torch import Tensor

from distillkit.losses import Loss
from distillkit.typing import LossFn, Outputs


def contributions_of(
    loss: LossFn, *, student: Outputs, teacher: Outputs | None, labels: Tensor | None
) -> dict[str, Tensor]:
    """A loss's contributions by name; of a plain callable one, named `loss`."""
    if isinstance(loss, Loss):
        return loss.contributions(student=student, teacher=teacher, labels=labels)
    return {"loss": loss(student=student, teacher=teacher, labels=labels)}
