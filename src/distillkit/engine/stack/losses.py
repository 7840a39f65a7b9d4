"""The losses of all students of a stack at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
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
    """Equal for losses that differ at most in the values of their numbers, so that one mapping serves all."""
    return _signature(loss) if isinstance(loss, Loss) else ("the object", id(loss))


def numbers_of(loss: Any) -> list[float]:
    """The loss's numbers, those of the losses in it too, in one order for all losses of a signature."""
    return list(_numbers(loss))


def with_numbers(loss: Any, numbers: Iterator[Any]) -> Any:
    """A copy of `loss` with other numbers, in the order of `numbers_of`; tensors too, and nothing checked."""
    if isinstance(loss, float):
        # one that is 0 stays, since losses ask whether a weight is 0
        number = next(numbers)
        return number if loss != 0 else loss
    if isinstance(loss, Policy):
        return loss.model_copy(
            update={name: with_numbers(getattr(loss, name), numbers) for name in type(loss).model_fields}
        )
    if isinstance(loss, Mapping):
        return {name: with_numbers(value, numbers) for name, value in loss.items()}
    if isinstance(loss, (tuple, list)):
        return type(loss)(with_numbers(value, numbers) for value in loss)
    return loss


@dataclass(frozen=True, eq=False)
class Members:
    """Students whose losses are alike: their places in the stack and their losses."""

    places: tuple[int, ...]
    losses: tuple[LossFn, ...]
    taught: bool
    """Whether they have a teacher."""

    def pick(self, stacked: Tensor) -> Tensor:
        """Their rows of `[students, ...]`."""
        first, last = self.places[0], self.places[-1]
        if last - first + 1 == len(self.places):
            return stacked[first : last + 1]
        # an index would be copied to the device at each step, which a recording cannot do
        return torch.stack([stacked[place] for place in self.places])


class MembersLoss:
    """The contributions of members of one signature, mapped over their numbers, or one after the other.

    Whether mapping gives what one after the other gives is seen on the first batch.
    """

    def __init__(self, members: Members) -> None:
        self._losses = members.losses
        rows = [numbers_of(loss) for loss in members.losses]
        self._numbers = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), -1)
        differ = (self._numbers != self._numbers[0]).any(dim=0).tolist()
        self._differ = [number for number, differs in enumerate(differ) if differs]
        self._mapped: bool | None = None if len(rows) > 1 else False

    def __call__(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
        """Contributions by name, each `[members]`; the arguments are `[members, batch, ...]`."""
        if self._mapped is None:
            # beside logits of a lower precision these would raise it
            precise = torch.float64 if logits.dtype == torch.float64 else torch.float32
            self._numbers = self._numbers.to(logits.device, precise)
            self._mapped = self._can_be_mapped(logits.detach(), teacher, labels)
        return (self._all_at_once if self._mapped else self._one_by_one)(logits, teacher, labels)

    def _one_by_one(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
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

    def _all_at_once(self, logits: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
        def one(row: Tensor, student: Tensor, teacher: Tensor | None, labels: Tensor | None) -> Contributions:
            loss = self._losses[0]
            if self._differ:
                numbers: list[Any] = numbers_of(loss)
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
        expected = self._one_by_one(logits, teacher, labels)
        try:
            got = self._all_at_once(logits, teacher, labels)
        except Exception:  # a loss of a user's own may do anything that vmap cannot
            return False
        return got.keys() == expected.keys() and all(
            (got[name].shape, got[name].dtype) == (expected[name].shape, expected[name].dtype)
            and torch.allclose(got[name], expected[name], rtol=1e-4, atol=1e-6, equal_nan=True)
            for name in expected
        )


def members_alike(
    losses: Sequence[LossFn], taught: Sequence[bool], names: Sequence[tuple[str, ...]]
) -> list[Members]:
    """The students of a stack by the signatures of their losses and the names of their contributions."""
    places: dict[Hashable, list[int]] = {}
    for place, (loss, has_teacher, named) in enumerate(zip(losses, taught, names, strict=True)):
        places.setdefault((signature(loss), has_teacher, named), []).append(place)
    return [
        Members(tuple(found), tuple(losses[place] for place in found), taught[found[0]])
        for found in places.values()
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


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, Policy):
        for name in type(value).model_fields:
            yield from _numbers(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _numbers(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
