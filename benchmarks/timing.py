"""Times: ways taken in turn, and ratios within a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch

Result = TypeVar("Result")


def now(device: torch.device) -> float:
    """Seconds, when all that the device was told to do is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(function: Callable[[], object], device: torch.device) -> float:
    """What a call takes."""
    began = now(device)
    function()
    return now(device) - began


def interleaved(ways: Mapping[str, Callable[[int], Result]], rounds: int) -> dict[str, list[Result]]:
    """Every way once a round, called with the round's number; each round begins with another way.

    What disturbs the machine for a while then disturbs all ways, and no way is always first.

    Example:
        >>> interleaved({"a": lambda turn: turn, "b": lambda turn: -turn}, rounds=2)
        {'a': [0, 1], 'b': [0, -1]}
    """
    results: dict[str, list[Result]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(ways[name](turn))
    return results


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest.

    Example:
        >>> spread([3.0, 1.0, 2.0])
        {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """How many times faster: the spread over the rounds of each round's own ratio.

    Example:
        >>> ratio(slow=[6.0, 8.0, 9.0], fast=[2.0, 2.0, 3.0])
        {'median': 3.0, 'min': 3.0, 'max': 4.0}
    """
    return spread([one / other for one, other in zip(slow, fast, strict=True)])


@dataclass
class Clock:
    """Times of one training: what is done once, and each epoch."""

    device: torch.device
    once: float = 0.0
    epochs: list[float] = field(default_factory=list)

    @contextmanager
    def doing_once(self) -> Iterator[None]:
        """Around work before the first epoch."""
        began = now(self.device)
        yield
        self.once += now(self.device) - began

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Around an epoch."""
        began = now(self.device)
        yield
        self.epochs.append(now(self.device) - began)

    @property
    def an_epoch(self) -> float:
        """Seconds of the median epoch."""
        return statistics.median(self.epochs)

    @property
    def whole(self) -> float:
        """Seconds of everything."""
        return self.once + sum(self.epochs)
