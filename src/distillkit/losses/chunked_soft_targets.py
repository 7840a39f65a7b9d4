"""Soft targets of a large vocabulary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from distillkit.functional import chunked_kl
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs

_NOT_COUNTED = -100
"""The label that `torch.nn.functional.cross_entropy` and the data of language models have for padding."""


class ChunkedSoftTargets(Loss):
    """`SoftTargets` in less memory, for logits of many positions and a large vocabulary.

    T² · KL(teacher ‖ student) at T, summed over classes, averaged over the positions that count: all of them
    without labels, and with labels those whose label is not −100. Some rows' softmax is held at a time, and
    computed again in the backward pass. For few classes `SoftTargets` is faster.

    T = 1 is usual for language models. More rows at once take more memory, and are faster where fewer do not
    keep a device busy.

    Example:
        >>> ChunkedSoftTargets()
        ChunkedSoftTargets(kind='chunked_soft_targets', temperature=1.0, rows_at_once=64)

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2: the loss.
    """

    kind: Literal["chunked_soft_targets"] = "chunked_soft_targets"
    temperature: Temperature = 1.0
    """T > 0 by which both sides' logits are divided before the softmax."""
    rows_at_once: int = Field(default=64, ge=1)
    """Positions whose softmax is held at a time."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; of `labels` only where they are −100 is looked at."""
        return chunked_kl(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            temperature=self.temperature,
            rows_at_once=self.rows_at_once,
            mask=None if labels is None or labels.is_floating_point() else labels != _NOT_COUNTED,
        )
