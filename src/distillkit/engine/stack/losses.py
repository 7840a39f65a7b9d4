"""The losses of all students of a stack, computed at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from distillkit.engine.update.contributions import contributions_of
from distillkit.losses import Loss
from distillkit.policy import Policy
from distillkit.typing import LossFn, Outputs

Contributions = dict[str, Tensor]
"""Contributions by name, each `[members]`."""


def signature(loss: LossFn) -> Hashable:
    """Return a key that is equal for losses that differ only in their numbers, which `vmap` can map over."""
    return _signature(loss) if isinstance(loss, Loss) else ("the object", id(loss))


def numbers_of(loss: Any) -> list[float]:
    """Return the numbers of a loss and of the losses in it, in one order for all losses of a signature."""
    numbers: list[float] = []

    def note(number: float) -> float:
        numbers.append(number)
        return number

    _map_numbers(note, loss)
    return numbers


def with_numbers(loss: Any, numbers: Iterator[Any]) -> Any:
    """Return a copy of `loss` with other numbers or tensors, in the order of `numbers_of`, unchecked."""

    def exchange(number: float) -> Any:
        # 0 stays 0, since losses check whether a weight is 0
        other = next(numbers)
        return number if number == 0 else other

    return _map_numbers(exchange, loss)


@dataclass(frozen=True, eq=False)
class Members:
    """Students whose losses have one signature: their places in the stack and their losses."""

    places: tuple[int, ...]
    losses: tuple[LossFn, ...]
    have_teachers: bool
    """Whether these students have teachers."""

    def pick(self, stacked: Tensor) -> Tensor:
        """Return the members' rows of `[students, ...]`."""
        first, last = self.places[0], self.places[-1]
        if last - first + 1 == len(self.places):
            return stacked[first : last + 1]
        # an index would be copied to the device at each step, which a CUDA graph cannot do
        return torch.stack([stacked[place] for place in self.places])


class MembersLoss:
    """The losses of members of one signature, computed by `vmap` over their numbers, or in a loop.

    The first batch decides: `vmap` is used if it gives the same as the loop.
    """

    def __init__(self, members: Members) -> None:
        self._losses = members.losses
        rows = [numbers_of(loss) for loss in members.losses]
        self._numbers_of_first = rows[0]
        self._numbers = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), -1)
        differ = (self._numbers != self._numbers[0]).any(dim=0).tolist()
        self._differ = [number for number, differs in enumerate(differ) if differs]
        self._mapped: bool | None = None if len(rows) > 1 else False

    def __call__(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
        """Return the contributions by name, each `[members]`; the arguments are `[members, batch, ...]`."""
        if self._mapped is None:
            # in float64 they would raise the precision of the logits
            precise = torch.float64 if logits.dtype == torch.float64 else torch.float32
            self._numbers = self._numbers.to(logits.device, precise)
            self._mapped = self._can_be_mapped(logits.detach(), teacher, labels)
        return (self._by_vmap if self._mapped else self._in_a_loop)(logits, teacher, labels)

    def _in_a_loop(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
        each = [
            contributions_of(
                loss,
                student=Outputs(logits[place]),
                teacher=None if teacher is None else Outputs(teacher[place]),
                labels=None if labels is None else labels[place],
            )
            for place, loss in enumerate(self._losses)
        ]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _by_vmap(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
        def one(row: Tensor, student: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
            loss = self._losses[0]
            if self._differ:
                numbers: list[Any] = list(self._numbers_of_first)
                for place in self._differ:
                    numbers[place] = row[place]
                loss = with_numbers(loss, iter(numbers))
            return contributions_of(
                loss,
                student=Outputs(student),
                teacher=None if teacher is None else Outputs(teacher),
                labels=labels,
            )

        in_dims = (0, 0, None if teacher is None else 0, None if labels is None else 0)
        result: Contributions = vmap(one, in_dims=in_dims)(self._numbers, logits, teacher, labels)
        return result

    def _can_be_mapped(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> bool:
        expected = self._in_a_loop(logits, teacher, labels)
        try:
            mapped = self._by_vmap(logits, teacher, labels)
        except Exception:  # a user's loss may do anything that vmap cannot
            return False
        return mapped.keys() == expected.keys() and all(
            (mapped[name].shape, mapped[name].dtype) == (expected[name].shape, expected[name].dtype)
            and torch.allclose(mapped[name], expected[name], rtol=1e-4, atol=1e-6, equal_nan=True)
            for name in expected
        )


def members_alike(
    losses: Sequence[LossFn], have_teachers: Sequence[bool], names: Sequence[tuple[str, ...]]
) -> list[Members]:
    """Return the students of a stack grouped by their losses' signatures and contributions' names."""
    groups: dict[Hashable, list[int]] = {}
    for place, (loss, has_teacher, named) in enumerate(zip(losses, have_teachers, names, strict=True)):
        groups.setdefault((signature(loss), has_teacher, named), []).append(place)
    return [
        Members(tuple(places), tuple(losses[place] for place in places), have_teachers[places[0]])
        for places in groups.values()
    ]


def _signature(value: Any) -> Hashable:
    if isinstance(value, float):
        return "a number", value != 0
    if isinstance(value, Policy):
        fields = tuple((name, _signature(getattr(value, name))) for name in type(value).model_fields)
        return type(value), fields
    if isinstance(value, Mapping):
        return "a mapping", tuple((name, _signature(part)) for name, part in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_signature(part) for part in value)
    return type(value), value if isinstance(value, Hashable) else id(value)


def _map_numbers(function: Callable[[float], Any], value: Any) -> Any:
    """Return a copy of a loss or a setting with the result of a function in the place of each number."""
    if isinstance(value, float):
        return function(value)
    if isinstance(value, Policy):
        fields = {name: _map_numbers(function, getattr(value, name)) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, Mapping):
        return {name: _map_numbers(function, part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_map_numbers(function, part) for part in value)
    return value
