"""Several losses at once, and Hinton's pair of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Self

import torch
from pydantic import Field, PrivateAttr, model_validator
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.losses.base import Loss
from distillkit.losses.hard_labels import HardLabels
from distillkit.losses.needs import Needs
from distillkit.losses.soft_targets import SoftTargets
from distillkit.schedules import Schedule, Weight
from distillkit.typing import Labels, Outputs


def _all_the_same(data: dict[str, Any]) -> dict[str, float]:
    return dict.fromkeys(data.get("terms", ()), 1.0)


class WeightedSum(Loss):
    """The sum of named losses, each times its weight; the names are columns of the history.

    A term whose weight is 0 is not computed, so it asks for nothing (a hard-label term without labels, say).
    One whose weight follows a schedule is computed while that is 0 too.

    Example:
        >>> loss = WeightedSum(terms={"soft": SoftTargets(temperature=20), "hard": HardLabels()})
        >>> loss.weights  # a plain sum
        {'soft': 1.0, 'hard': 1.0}
        >>> Loss.from_yaml(loss.to_yaml()) == loss
        True
    """

    kind: Literal["weighted_sum"] = "weighted_sum"
    terms: dict[str, Loss] = Field(
        min_length=1,
        examples=[{"soft": {"kind": "soft_targets", "temperature": 4.0}, "hard": {"kind": "hard_labels"}}],
    )
    """The losses by name."""
    weights: dict[str, Weight] = Field(default_factory=_all_the_same)
    """Their weights by the same names, each ≥ 0; all 1 where none are given."""
    _go_through_0: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="after")
    def _weights_have_the_names_of_the_terms(self) -> Self:
        if self.weights.keys() != self.terms.keys():
            raise ConfigurationError(
                f"The weights of a WeightedSum need the names of its terms ({', '.join(self.terms)}); got "
                f"{', '.join(self.weights) or 'none'}."
            )
        if not any(self.weights.values()):
            raise ConfigurationError("All weights of a WeightedSum are 0; give a term a weight above 0.")
        return self

    def needs(self) -> Needs:
        """Return what all terms of weight above 0 need."""
        return Needs.of(term.needs() for term in self._counted().values())

    @property
    def gradient_is_of_the_value(self) -> bool:
        """Whether it is in all terms of weight above 0."""
        return all(term.gradient_is_of_the_value for term in self._counted().values())

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module | None:
        """Make the adapters of all terms of weight above 0, in order; an empty list of one without."""
        each = [term.adapters(student=student, teacher=teacher) for term in self._counted().values()]
        if all(one is None for one in each):
            return None
        return nn.ModuleList([nn.ModuleList() if one is None else one for one in each])

    def at(self, progress: float) -> Self:
        """With plain numbers; the terms stay the same ones whatever a schedule says of their weights."""
        now = super().at(progress)
        scheduled = frozenset(name for name, one in self.weights.items() if isinstance(one, Schedule))
        if scheduled:
            now._go_through_0 = scheduled
        return now

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch."""
        return torch.stack(
            list(self.contributions(student=student, teacher=teacher, labels=labels).values())
        ).sum()

    def contributions(
        self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None
    ) -> dict[str, Tensor]:
        """Each term of weight above 0, times its weight."""
        counted = self._counted()
        return {
            name: self.weights[name] * counted[name](student=own, teacher=teacher, labels=labels)
            for name, own in zip(counted, _with_their_adapters(student, len(counted)), strict=True)
        }

    def remember(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> None:
        """Each term of weight above 0, in what that one learns."""
        counted = self._counted()
        for term, own in zip(counted.values(), _with_their_adapters(student, len(counted)), strict=True):
            term.remember(student=own, teacher=teacher, labels=labels)

    def _counted(self) -> dict[str, Loss]:
        return {
            name: term
            for name, term in self.terms.items()
            if not _is_zero(self.weights[name]) or name in self._go_through_0
        }


def _with_their_adapters(student: Outputs, terms: int) -> list[Outputs]:
    """The student's side for each term, with what that one learns."""
    if student.adapters is None:
        return [student] * terms
    each = student.adapters.children()
    return [replace(student, adapters=None if _learns_nothing(one) else one) for one in each]


def _learns_nothing(adapters: nn.Module) -> bool:
    return isinstance(adapters, nn.ModuleList) and not len(adapters)


def _is_zero(weight: object) -> bool:
    # under a stack of students a weight that differs among them is a tensor, and never 0
    return isinstance(weight, float) and weight == 0


def hinton(temperature: float, hard_label_weight: float) -> WeightedSum:
    """Hinton's loss: (1 − w) · SoftTargets(T) + w · HardLabels.

    Args:
        temperature: T > 0 of the soft targets, or a schedule of it.
        hard_label_weight: w in [0, 1]; the paper found a considerably lower weight on the hard labels best.
            0 needs no labels.

    Returns:
        A `WeightedSum` whose terms are named `soft` and `hard`.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> hinton(temperature=4, hard_label_weight=0.1).weights
        {'soft': 0.9, 'hard': 0.1}

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2.
    """
    if isinstance(hard_label_weight, Schedule):
        raise ConfigurationError(
            "hard_label_weight is a number here: for weights that change, make a WeightedSum with a schedule "
            "for each of the two."
        )
    if not 0 <= hard_label_weight <= 1:
        raise ConfigurationError(f"hard_label_weight must be in [0, 1], got {hard_label_weight!r}.")
    return WeightedSum(
        terms={"soft": SoftTargets(temperature=temperature), "hard": HardLabels()},
        weights={"soft": 1 - hard_label_weight, "hard": hard_label_weight},
    )
