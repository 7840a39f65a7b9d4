"""Types of the data between a model, a loss and the engine, with their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor, nn

Logits: TypeAlias = "Tensor"
"""Scores before the softmax, `[..., classes]`, any floating dtype."""

Labels: TypeAlias = "Tensor"
"""True classes, `[...]`, int64 in `[0, classes)`; or distributions over them, `[..., classes]`, floating."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some examples, from the data or in the view of a transfer set."""

    inputs: Any
    """A tensor, `[batch, ...]`, or a mapping of such tensors by name."""
    labels: Labels | None = None
    """`[batch]`; `[batch, ...]` where an example has labels at many positions; or distributions over the
    classes, `[batch, classes]`, floating."""
    indices: Tensor | None = None
    """The numbers of the examples in the data set, `[batch]`, int64."""
    weights: Tensor | None = None
    """The weights of the examples, `[batch]`, ≥ 0."""
    teacher_inputs: Any = None
    """The teacher's inputs, in the same forms, where they differ from the student's; else `None`."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The numbers of a batch's examples, and the data set that they come from."""

    numbers: Tensor
    """The numbers of the batch's examples in the data set, `[batch]`, int64."""
    selected: Tensor
    """The examples that the student learns from, by number, `[selected]`, int64, without repeats."""
    size: int
    """Number of examples of the data set, before a transfer set chooses; `numbers` are in `[0, size)`."""
    labels: Tensor | None = None
    """The classes of the whole data set, `[size, ...]`; `None` where the student is to learn without."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """The outputs of one side, teacher or student, for a batch."""

    logits: Logits
    features: Mapping[str, Tensor] = field(default_factory=dict)
    """The features of the layers that the loss looks at, by module name; each `[batch, ...]`."""
    adapters: nn.Module | None = None
    """The adapters of the loss, as its `adapters` made them; the student's side alone has them."""
    examples: Examples | None = None
    """Which examples these are, where the loss `needs()` them; the student's side alone has it."""


class LossFn(Protocol):
    """Anything that can stand where a loss stands: called by keyword, it returns a scalar."""

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """Return the loss of a batch, a tensor without dimensions.

        Args:
            student: The student's outputs; gradients flow through its logits.
            teacher: The teacher's outputs, without gradients; `None` where there is no teacher.
            labels: True classes, or `None` where the transfer set is unlabelled.
        """
        ...
