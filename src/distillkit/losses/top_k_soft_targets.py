"""Soft targets of the teacher's likeliest classes alone."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distillkit.functional import top_k_kl
from distillkit.functional._logits import at_least_float32, refuse_other_shape
from distillkit.losses.base import Loss
from distillkit.schedules import Temperature
from distillkit.typing import Labels, Outputs


class TopKSoftTargets(Loss):
    """T² · KL over the teacher's k likeliest classes and one outcome for all the others together.

    What a teacher's answers give of which only k numbers a row are kept; a stored signal goes to
    `functional.top_k_kl` itself. The probability that is missing from the k counts as one more outcome. At
    most `SoftTargets`, and equal to it where k is the number of classes or more.

    Example:
        >>> TopKSoftTargets(k=64)
        TopKSoftTargets(kind='top_k_soft_targets', k=64, temperature=1.0)
    """

    kind: Literal["top_k_soft_targets"] = "top_k_soft_targets"
    k: int = Field(ge=1, examples=[2, 50])
    """Classes of each row that are told apart; all where there are fewer."""
    temperature: Temperature = 1.0
    """T > 0 by which both sides' logits are divided before the softmax."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        logits = self.teacher_logits(teacher)
        refuse_other_shape(student.logits, logits)
        known = F.log_softmax(at_least_float32(logits) / self.temperature, dim=-1)
        top = known.topk(min(self.k, known.shape[-1]), dim=-1)
        return top_k_kl(
            student=student.logits,
            teacher_log_probabilities=top.values,
            indices=top.indices,
            temperature=self.temperature,
        )
