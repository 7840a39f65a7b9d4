"""A loss with the one of several teachers that is right about an example."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from distillkit.functional import best_member
from distillkit.layer_names import MEMBER_LOGITS, no_such_layer
from distillkit.losses.around import Around
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.losses.soft_targets import SoftTargets
from distillkit.typing import Labels, Outputs


class BestOf(Around):
    """Another loss, with an `Ensemble` whose best member speaks for each example.

    The best is the one with the lowest cross-entropy with the true class, at T = 1; each token is an example.
    It needs labels, and an `Ensemble` as the teacher, whose average and weights do not matter here: they are
    for the other terms of a sum, and for the teacher's agreement with the student.

    A member is chosen because it is right, so the student hears less of how teachers are wrong than from
    their mean. It is no paper's: papers that weight teachers example by example by their cross-entropy, such
    as CA-MKD (Zhang, Chen, Wang 2022), weight all of them.

    Example:
        >>> BestOf().loss
        SoftTargets(kind='soft_targets', temperature=4.0)
    """

    kind: Literal["best_of"] = "best_of"
    loss: Loss = SoftTargets(temperature=4.0)
    """The loss that sees the best member's logits."""

    def needs(self) -> Needs:
        """Return that it looks at what each member says, and what the loss inside needs."""
        return Needs(teacher_layers=(MEMBER_LOGITS,)) | self.loss.needs()

    def seen(
        self, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> tuple[Outputs, Outputs | None]:
        """The student as it is, and the best member's logits for each example.

        Raises:
            ConfigurationError: There is no teacher, it is no `Ensemble`, or there are no labels.
        """
        taught = self.teachers(teacher)
        if MEMBER_LOGITS not in taught.features:
            raise no_such_layer(MEMBER_LOGITS, taught.features, "The teacher")
        best = best_member(members=taught.features[MEMBER_LOGITS], labels=self.true_labels(labels))
        return student, replace(taught, logits=best)
