"""The events of a long job, for whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Observer(Protocol):
    """Told of each run as it goes; the command line draws it, a program may ignore it."""

    def planned(self, costs: Mapping[str, float], finished: frozenset[str], at_once: int) -> None:
        """Before anything.

        Args:
            costs: The seconds that every run is expected to take.
            finished: The runs that ended before.
            at_once: How many runs, or stacks of runs, go on side by side.
        """

    def runs_started(self, runs: Sequence[str], epochs: int) -> None:
        """Runs begin that are trained as one."""

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """An update was made; `epoch` counts from 0."""

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """An epoch ended, with its row of the history."""

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """A run ended and its result is on disk."""


class Silent:
    """An observer that does nothing."""

    def planned(self, costs: Mapping[str, float], finished: frozenset[str], at_once: int) -> None:
        """Nothing."""

    def runs_started(self, runs: Sequence[str], epochs: int) -> None:
        """Nothing."""

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """Nothing."""

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """Nothing."""

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """Nothing."""
