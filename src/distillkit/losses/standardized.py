"""A loss on logits whose size is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from distillkit.functional import standardize_logits
from distillkit.losses.around import Around
from distillkit.losses.base import Loss
from distillkit.losses.soft_targets import SoftTargets
from distillkit.typing import Labels, Outputs


class Standardized(Around):
    """Another loss, on both sides' logits less their mean and over their standard deviation.

    Each row's z-score says how the classes stand to each other and not how large the logits are, which a
    small student can hardly reach. A number added to a row, or a factor above 0, changes nothing. Put it
    around the distillation term alone: a hard-label term inside could never become sure.

    The paper puts it around the soft targets at T = 2, with weight 9, beside `HardLabels` with weight 0.1,
    and around DKD and MLKD too.

    Example:
        >>> Standardized().loss
        SoftTargets(kind='soft_targets', temperature=2.0)

    Reference:
        Sun, Ren, Li, Wang, Cao, Logit Standardization in Knowledge Distillation, CVPR 2024, §4.
    """

    kind: Literal["standardized"] = "standardized"
    loss: Loss = SoftTargets(temperature=2.0)
    """The loss that sees the standardised logits."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        return self.loss(student=_standardized(student), teacher=self._teacher(teacher), labels=labels)

    def contributions(
        self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> dict[str, Tensor]:
        """The contributions of the loss inside."""
        return self.loss.contributions(
            student=_standardized(student), teacher=self._teacher(teacher), labels=labels
        )

    def _teacher(self, teacher: Outputs | None) -> Outputs | None:
        return None if teacher is None else _standardized(teacher)


def _standardized(side: Outputs) -> Outputs:
    return replace(side, logits=standardize_logits(side.logits))
