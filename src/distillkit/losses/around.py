"""The root of the losses that change what another one sees."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from pydantic import model_validator
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.typing import Labels, Outputs


class Around(Loss):
    """Another loss, on outputs that are changed first; it promises and asks for what that one does."""

    kind: str
    loss: Loss
    """The loss inside."""

    @model_validator(mode="after")
    def _members_are_asked_outside(self) -> Self:
        if MEMBER_LOGITS in self.loss.needs().teacher_layers:
            raise ConfigurationError(
                f"{type(self).__name__} changes what the teacher says, and the loss inside asks each member "
                f"of an Ensemble anew: put {type(self).__name__} inside, as in BestOf(loss=...)."
            )
        return self

    def needs(self) -> Needs:
        """Return what the loss inside needs."""
        return self.loss.needs()

    @property
    def gradient_is_of_the_value(self) -> bool:
        """Return whether it is so of the loss inside."""
        return self.loss.gradient_is_of_the_value

    @abstractmethod
    def seen(
        self, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> tuple[Outputs, Outputs | None]:
        """Both sides as the loss inside sees them."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        student, teacher = self.seen(student, teacher, labels)
        return self.loss(student=student, teacher=teacher, labels=labels)

    def contributions(
        self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> dict[str, Tensor]:
        """The contributions of the loss inside."""
        student, teacher = self.seen(student, teacher, labels)
        return self.loss.contributions(student=student, teacher=teacher, labels=labels)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module | None:
        """Make what the loss inside learns."""
        return self.loss.adapters(student=student, teacher=teacher)

    def remember(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> None:
        """Let the loss inside note down the batch as it sees it."""
        student, teacher = self.seen(student, teacher, labels)
        self.loss.remember(student=student, teacher=teacher, labels=labels)
