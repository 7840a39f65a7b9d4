"""The root of the losses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar

from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.losses.needs import Needs
from distillkit.policy import Policy
from distillkit.schedules import Schedule
from distillkit.typing import Examples, Labels, Logits, Outputs

_P = TypeVar("_P", bound=Policy)


class Loss(Policy):
    """The root of the losses: a scalar of both sides' outputs and the labels.

    A new loss is one class: its fields are its settings, `kind` its name, `__call__` its maths. Keep the
    maths in a pure function and sum over classes, average over the batch.

    Example:
        >>> from typing import Literal
        >>> from distillkit import losses
        >>> class Backward(losses.Loss):
        ...     kind: Literal["backward_kl"] = "backward_kl"
        ...     def __call__(self, *, student, teacher, labels):
        ...         q, p = student.logits.log_softmax(-1), self.teacher_logits(teacher).log_softmax(-1)
        ...         return (q.exp() * (q - p)).sum(-1).mean()
        >>> Backward()
        Backward(kind='backward_kl')
    """

    family: ClassVar[str] = "distillkit.losses"

    @abstractmethod
    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch, a scalar; see `distillkit.typing.LossFn`."""

    def contributions(
        self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> dict[str, Tensor]:
        """The loss by named contributions, scalars that add up to it; by default one, of the kind's name."""
        return {self.kind_name(): self(student=student, teacher=teacher, labels=labels)}

    def needs(self) -> Needs:
        """Return what it needs of the training; by default that it learns, where its class has `adapters`.

        A class that needs more says so with `dataclasses.replace(super().needs(), whole_batch=True)`.
        """
        return Needs(learns=type(self).adapters is not Loss.adapters)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module | None:
        """Make what it learns itself, such as a regressor, to fit the outputs of both sides.

        The Distiller makes it once, when there is a first batch, trains it beside the student, keeps it out
        of the student, and hands it to every call as `student.adapters`. By default there is nothing.
        """
        return None

    def remember(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> None:
        """Note down, in what `adapters` made, a batch that was learnt from; by default nothing.

        The Distiller calls it after the gradients of each batch and before the step, without gradients, if
        the loss learns something. The loss itself changes nothing when it is called.
        """
        return

    @property
    def gradient_is_of_the_value(self) -> bool:
        """Whether the gradient is the derivative of the value; not where a part of the loss is held fixed."""
        return True

    def schedules(self) -> dict[str, Schedule]:
        """Its weights and temperatures that change as the training goes, those of losses in it too.

        By the names of the fields that lead there, as in `terms.soft.temperature`.
        """
        return dict(_schedules(self, ()))

    def at(self, progress: float) -> Self:
        """The loss with plain numbers, as it is where a share `progress` of the training is done.

        Distiller asks for it before each step. One without schedules is that loss already.
        """
        return _with_numbers(self, progress) if self.schedules() else self

    @classmethod
    def kind_name(cls) -> str:
        """The value of `kind`."""
        return str(cls.model_fields["kind"].default)

    def learnt(self, student: Outputs) -> nn.Module:
        """Return what the loss learns itself, as `adapters` made it.

        Raises:
            ConfigurationError: There is none.
        """
        if student.adapters is None:
            raise ConfigurationError(
                f"{type(self).__name__} learns something itself, which Distiller makes and trains; in a "
                "program of your own, make it by the loss's adapters(), train it, and give it to "
                "Outputs(..., adapters=...)."
            )
        return student.adapters

    def known_examples(self, student: Outputs) -> Examples:
        """Which examples a batch holds.

        Raises:
            ConfigurationError: It is not known.
        """
        if student.examples is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs to know which examples a batch holds, and was not told: train "
                "by Distiller.fit(), or give the numbers to Outputs(..., examples=...)."
            )
        return student.examples

    def teacher_logits(self, teacher: Outputs | None) -> Logits:
        """The teacher's logits.

        Raises:
            ConfigurationError: There is no teacher.
        """
        return self.teachers(teacher).logits

    def teachers(self, teacher: Outputs | None) -> Outputs:
        """Return the teacher's outputs.

        Raises:
            ConfigurationError: There is no teacher.
        """
        if teacher is None:
            raise ConfigurationError(
                f"{type(self).__name__} compares the student with a teacher, and there is none: give the "
                "Distiller a teacher, or use HardLabels alone."
            )
        return teacher

    def true_labels(self, labels: Labels | None) -> Labels:
        """Return the labels of a loss that needs one class for each row of logits.

        Raises:
            ConfigurationError: The batch has none, or distributions over the classes.
        """
        labels = self.any_labels(labels)
        if labels.is_floating_point():
            raise ConfigurationError(
                f"{type(self).__name__} needs one true class an example, and these labels are distributions "
                f"over the classes, {list(labels.shape)}: use HardLabels, which takes both, or give the "
                "numbers of the classes."
            )
        return labels

    def any_labels(self, labels: Labels | None) -> Labels:
        """Return the labels, true classes or distributions over them.

        Raises:
            ConfigurationError: The batch has none.
        """
        if labels is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs labels, and this transfer set has none: use SoftTargets or "
                "LogitMatching alone, set hard_label_weight=0, or give labelled data without Unlabelled."
            )
        return labels


def _schedules(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Schedule]]:
    if isinstance(value, Schedule):
        yield ".".join(path), value
        return
    parts: Any = ()
    if isinstance(value, Policy):
        parts = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    for name, part in parts:
        yield from _schedules(part, (*path, str(name)))


def _with_numbers(policy: _P, progress: float) -> _P:
    fields = {name: _at(getattr(policy, name), progress) for name in type(policy).model_fields}
    return policy.model_copy(update=fields)


def _at(value: Any, progress: float) -> Any:
    if isinstance(value, Schedule):
        return float(value.at(progress))
    if isinstance(value, Loss):
        return value.at(progress)
    if isinstance(value, Policy):
        return _with_numbers(value, progress)
    if isinstance(value, Mapping):
        return {name: _at(part, progress) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_at(part, progress) for part in value)
    return value
