"""The angle between soft targets."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from distillkit.losses import Loss
from distillkit.typing import Labels, Outputs


class CosineTargets(Loss):
    """T² times one minus the cosine between both sides' softened probabilities, averaged over the batch."""

    kind: Literal["cosine_targets"] = "cosine_targets"
    temperature: float = Field(default=4.0, gt=0)
    """T > 0, by which both sides' logits are divided before the softmax."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        p, q = self._softened(self.teacher_logits(teacher)), self._softened(student.logits)
        return self.temperature**2 * (1 - F.cosine_similarity(p, q, dim=-1)).mean()

    def _softened(self, logits: Tensor) -> Tensor:
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return (wide / self.temperature).softmax(dim=-1)
