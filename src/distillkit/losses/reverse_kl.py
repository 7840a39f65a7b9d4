"""Keeping to what the teacher thinks likely."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from distillkit.functional import reverse_kl
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class ReverseKL(Loss):
    """T² · KL(student ‖ teacher) at temperature T, summed over classes, averaged over the batch.

    The direction of `SoftTargets` asks a student that is too small to spread over all that the teacher thinks
    possible; this one lets it settle on a part. T = 1 is usual for language models. It is MiniLLM's
    divergence on the positions of the data, without its sampling of sequences from the student.

    Example:
        >>> ReverseKL()
        ReverseKL(kind='reverse_kl', temperature=1.0)

    Reference:
        Gu, Dong, Wei, Huang, MiniLLM: Knowledge Distillation of Large Language Models, ICLR 2024.
    """

    kind: Literal["reverse_kl"] = "reverse_kl"
    temperature: Temperature = 1.0
    """T > 0 by which both sides' logits are divided before the softmax."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return reverse_kl(
            student=student.logits, teacher=self.teacher_logits(teacher), temperature=self.temperature
        )
