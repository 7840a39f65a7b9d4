"""Students that learn from one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS, no_such_layer
from distillkit.losses.base import Loss
from distillkit.losses.hard_labels import HardLabels
from distillkit.losses.needs import Needs
from distillkit.losses.soft_targets import SoftTargets
from distillkit.losses.weighted_sum import WeightedSum
from distillkit.typing import Labels, Outputs


def _of_the_paper() -> WeightedSum:
    return WeightedSum(terms={"soft": SoftTargets(temperature=1.0), "hard": HardLabels()})


class Mutual(Loss):
    """Another loss for each member of an `Ensemble` that is the student, the other members its teachers.

    Of K students each minimises the mean over its K − 1 peers of `loss` with that peer as the teacher; the
    contributions are named by student, from 1: `1.soft`, `1.hard`, `2.soft`, … What a peer says is held
    fixed, so each student's gradient is that of its own loss alone, and the gradient of the sum is not that
    of its value. All say their answer before any of them is updated.

    `fit_mutually` uses it; with an `Ensemble` as its student, so can any Distiller, in a loop of your own
    too. The default is the paper's: cross-entropy with the labels plus KL(peer ‖ student), both of weight 1.

    Example:
        >>> Mutual(loss=SoftTargets(temperature=2))
        Mutual(kind='mutual', loss=SoftTargets(kind='soft_targets', temperature=2.0))

    Reference:
        Zhang, Xiang, Hospedales, Lu, Deep Mutual Learning, CVPR 2018, §3.
    """

    kind: Literal["mutual"] = "mutual"
    loss: Loss = Field(default_factory=_of_the_paper)
    """The loss of each student with each of its peers as the teacher; a loss on logits and labels."""

    @model_validator(mode="after")
    def _the_loss_looks_at_logits(self) -> Self:
        needs = self.loss.needs()
        if needs.looks or needs.learns:
            raise ConfigurationError(
                f"Students learn from one another's logits, and {type(self.loss).__name__} looks at layers "
                "or learns something itself: use a loss on logits."
            )
        return self

    def needs(self) -> Needs:
        """Return that it looks at what each student says, and what the loss of each needs."""
        return replace(self.loss.needs(), student_layers=(MEMBER_LOGITS,))

    @property
    def gradient_is_of_the_value(self) -> bool:
        """No: the peers are held fixed."""
        return False

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch, the sum over the students; `teacher` is not looked at."""
        parts = self.contributions(student=student, teacher=teacher, labels=labels)
        return torch.stack(list(parts.values())).sum()

    def contributions(
        self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> dict[str, Tensor]:
        """The contributions of each student's loss, averaged over its peers.

        Raises:
            ConfigurationError: The student is no `Ensemble`, or of fewer than two.
        """
        if MEMBER_LOGITS not in student.features:
            raise no_such_layer(MEMBER_LOGITS, student.features, "The student")
        said = student.features[MEMBER_LOGITS].unbind(1)
        if len(said) < 2:
            raise ConfigurationError(
                f"Students learn from one another, and there are fewer than two of them ({len(said)}): give "
                "an Ensemble of several as the student, or use fit_mutually."
            )
        found: dict[str, Tensor] = {}
        for place, own in enumerate(said):
            alone = replace(student, logits=own, features={})
            with_each = [
                self.loss.contributions(student=alone, teacher=Outputs(peer.detach()), labels=labels)
                for peer in (*said[:place], *said[place + 1 :])
            ]
            for name in with_each[0]:
                found[f"{place + 1}.{name}"] = torch.stack([one[name] for one in with_each]).mean()
        return found
