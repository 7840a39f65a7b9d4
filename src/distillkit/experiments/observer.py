"""What a long job tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Observer(Protocol):
    """Told of each run as it goes; the command line draws it, a program may ignore it."""

    def planned(self, costs: Mapping[str, float], finished: frozenset[str]) -> None:
        """Before anything: the seconds that every run is expected to take, and the runs finished before."""

    def run_started(self, run: str, epochs: int) -> None:
        """A run begins."""

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """An update was made; `epoch` counts from 0."""

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """An epoch ended, with its row of the history."""

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """A run ended and its result is on disk."""


class Silent:
    """An observer that does nothing."""

    def planned(self, costs: Mapping[str, float], finished: frozenset[str]) -> None:
        """Nothing."""

    def run_started(self, run: str, epochs: int) -> None:
        """Nothing."""

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """Nothing."""

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """Nothing."""

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """Nothing."""
