"""A loss on logits whose size is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

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

    The authors' code puts it around the soft targets at T = 2, with weight 9, beside `HardLabels` with weight
    0.1, and around DKD, MLKD and CTKD too.

    Example:
        >>> Standardized().loss
        SoftTargets(kind='soft_targets', temperature=2.0)

    Reference:
        Sun, Ren, Li, Wang, Cao, Logit Standardization in Knowledge Distillation, CVPR 2024.
    """

    kind: Literal["standardized"] = "standardized"
    loss: Loss = SoftTargets(temperature=2.0)
    """The loss that sees the standardised logits."""

    def seen(
        self, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> tuple[Outputs, Outputs | None]:
        """Both sides with their logits standardised."""
        return _standardized(student), None if teacher is None else _standardized(teacher)


def _standardized(side: Outputs) -> Outputs:
    return replace(side, logits=standardize_logits(side.logits))
