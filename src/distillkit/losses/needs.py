"""The needs of a loss, as one object that can be united."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The needs of a loss from the training, beside logits and labels.

    Attributes:
        student_layers: The student's layers that it looks at, by module name or pattern; what these give in
            the forward pass is in `student.features`.
        teacher_layers: The teacher's layers, in the same way.
        examples: Whether it needs to know which examples a batch holds; they are in `student.examples` then.
        learns: Whether it may learn something itself, which its `adapters` make.
        whole_batch: Whether it relates the examples of a batch. Otherwise the loss of a batch is the mean of
            those of its examples, each a batch of one, so that parts of a batch may be averaged.

    Example:
        >>> both = Needs(student_layers=("layer4",)) | Needs(student_layers=("layer3",), whole_batch=True)
        >>> both.student_layers, both.whole_batch
        (('layer4', 'layer3'), True)
    """

    student_layers: tuple[str, ...] = ()
    teacher_layers: tuple[str, ...] = ()
    examples: bool = False
    learns: bool = False
    whole_batch: bool = False

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            student_layers=self.student_layers + other.student_layers,
            teacher_layers=self.teacher_layers + other.teacher_layers,
            examples=self.examples or other.examples,
            learns=self.learns or other.learns,
            whole_batch=self.whole_batch or other.whole_batch,
        )

    @classmethod
    def of(cls, each: Iterable[Needs]) -> Needs:
        """Return the needs of several losses together."""
        together = cls()
        for one in each:
            together |= one
        return together

    @property
    def looks(self) -> bool:
        """Whether it looks at a layer of either side."""
        return bool(self.student_layers or self.teacher_layers)
