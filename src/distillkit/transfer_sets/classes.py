"""Leaving classes out, or taking only some."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, NonNegativeInt
from torch import Tensor

from distillkit.transfer_sets.base import TransferSet


def _sorted_without_repeats(classes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(classes)))


Classes = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), AfterValidator(_sorted_without_repeats)]


def _is_one_of(labels: Tensor, classes: tuple[int, ...]) -> Tensor:
    return torch.isin(labels, torch.tensor(classes, device=labels.device))


class OmitClasses(TransferSet):
    """The examples of all classes but some, which the student then knows from the teacher alone.

    Example:
        >>> OmitClasses(classes=[3]).select(4, torch.tensor([3, 1, 3, 7]))
        tensor([1, 3])

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §3: digit 3 left out.
    """

    kind: Literal["omit_classes"] = "omit_classes"
    classes: Classes
    """The classes that are left out, each ≥ 0."""

    @property
    def selects_by_label(self) -> bool:
        """Whether it looks at labels: yes."""
        return True

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """Return the examples of other classes."""
        return (~_is_one_of(self.labels_to_select_by(labels), self.classes)).nonzero().flatten()


class OnlyClasses(TransferSet):
    """The examples of some classes and no others.

    Example:
        >>> OnlyClasses(classes=[7, 8]).select(4, torch.tensor([3, 8, 3, 7]))
        tensor([1, 3])

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §3: only digits 7 and 8.
    """

    kind: Literal["only_classes"] = "only_classes"
    classes: Classes
    """The classes that are kept, each ≥ 0."""

    @property
    def selects_by_label(self) -> bool:
        """Whether it looks at labels: yes."""
        return True

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """Return the examples of these classes."""
        return _is_one_of(self.labels_to_select_by(labels), self.classes).nonzero().flatten()
