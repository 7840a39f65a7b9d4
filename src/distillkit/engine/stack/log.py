"""The contributions of a stack's steps, for each student's own log."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distillkit.engine.loop.step_log import StepLog
from distillkit.engine.stack.losses import Contributions, Members
from distillkit.errors import DivergenceError

_READ_EVERY = 50


class StackLog:
    """Keeps the contributions on the device and reads them seldom, as `StepLog` does for one student.

    Args:
        epochs_done: Of each student.
    """

    def __init__(self, epochs_done: Sequence[int]) -> None:
        self._logs = [StepLog(epoch) for epoch in epochs_done]
        self._unread: dict[Members, list[Tensor]] = {}
        self._names: dict[Members, list[str]] = {}
        self._steps = 0
        self._failed: dict[int, DivergenceError] = {}

    def add(self, found: Sequence[tuple[Members, Contributions]]) -> None:
        """Take one step's contributions of every group of members."""
        for group, contributions in found:
            self._names[group] = list(contributions)
            values = torch.stack(list(contributions.values())).detach()
            self._unread.setdefault(group, []).append(values)
        self._steps += 1
        if self._steps % _READ_EVERY == 0:
            self._read()

    def means(self, place: int) -> dict[str, float]:
        """A student's means over the epoch.

        Raises:
            DivergenceError: One of its steps was not finite.
        """
        self._read()
        if place in self._failed:
            raise self._failed[place]
        return self._logs[place].means()

    def _read(self) -> None:
        for group, unread in self._unread.items():
            steps = torch.stack(unread).double().tolist()
            for step in steps:
                for place, row in zip(group.places, zip(*step, strict=True), strict=True):
                    self._count(place, self._names[group], row)
        self._unread.clear()

    def _count(self, place: int, names: Sequence[str], row: Sequence[float]) -> None:
        if place not in self._failed:
            try:
                self._logs[place].count(names, row)
            except DivergenceError as error:
                self._failed[place] = error
