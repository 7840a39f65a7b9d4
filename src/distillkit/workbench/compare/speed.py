"""How fast two models answer: timed in turn, so that what disturbs the machine disturbs both."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distillkit.engine.data.batch import move, rows_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.errors import ConfigurationError
from distillkit.outputs import call

_WARM_UP_CALLS, _WARM_UP_SECONDS = 3, 0.2
_TURN_SECONDS = 0.02
"""Each turn of a model is as many passes as take about this long, so that the clock's steps do not show."""
_FEWEST_ROUNDS = 5


@dataclass(frozen=True)
class Spread:
    """A number that was measured in several rounds."""

    median: float
    quartiles: tuple[float, float]
    """Between these lies the middle half of the rounds."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and quartiles, by linear interpolation.

        Example:
            >>> Spread.of([4.0, 1.0, 3.0, 2.0, 5.0])
            Spread(median=3.0, quartiles=(2.0, 4.0))
        """
        lower, median, upper = np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75]).tolist()
        return cls(median, (lower, upper))


@dataclass(frozen=True)
class Speed:
    """Times of a forward pass of each model, round by round."""

    batch_size: int
    """Examples in a pass."""
    teacher_seconds: tuple[float, ...]
    """Seconds of a pass of the teacher, the mean of each round."""
    student_seconds: tuple[float, ...]
    """Seconds of a pass of the student, in the same rounds."""

    @property
    def rounds(self) -> int:
        """How often both were timed, one right after the other."""
        return len(self.teacher_seconds)

    @property
    def speedup(self) -> Spread:
        """How many times faster the student is: the ratio of the two times within each round."""
        pairs = zip(self.teacher_seconds, self.student_seconds, strict=True)
        return Spread.of([teacher / student for teacher, student in pairs])

    def seconds(self, side: str) -> Spread:
        """Return the median time of a pass; `side` is `"teacher"` or `"student"`."""
        return Spread.of(self._of(side))

    def examples_a_second(self, side: str) -> Spread:
        """How many examples are answered; `side` is `"teacher"` or `"student"`."""
        return Spread.of([self.batch_size / one for one in self._of(side)])

    def _of(self, side: str) -> tuple[float, ...]:
        return {"teacher": self.teacher_seconds, "student": self.student_seconds}[side]


def measure_latency(
    teacher: nn.Module, student: nn.Module, inputs: Any, *, precision: Precision, seconds: float = 5.0
) -> Speed:
    """Time single examples, each waited for before the next is asked.

    Both models run in evaluation mode without gradients, on inputs that are on their device already. They are
    warmed up, then timed in turn, and the one that goes first changes from round to round.

    Args:
        teacher: Any module.
        student: Another, on the same device.
        inputs: A batch as both take it, a tensor or a mapping of tensors; its first example is asked.
        precision: Of the forward passes, on the models' device; the casts of autocast are part of a pass.
        seconds: About how long to go on, > 0; at least five rounds are timed.

    Raises:
        ConfigurationError: A model cannot answer the inputs.
    """
    return _measure((teacher, student), rows(inputs, 1), 1, precision, seconds, wait_for_each=True)


def measure_throughput(
    teacher: nn.Module,
    student: nn.Module,
    inputs: Any,
    *,
    batch_size: int,
    precision: Precision,
    seconds: float = 5.0,
) -> Speed:
    """Time whole batches, as `measure_latency` does; a GPU is waited for after a turn's last batch only.

    Args:
        teacher: Any module.
        student: Another, on the same device.
        inputs: A batch as both take it; its examples are repeated where they are fewer than a batch.
        batch_size: Examples in a pass, ≥ 1.
        precision: Of the forward passes, on the models' device.
        seconds: About how long to go on, > 0; at least five rounds are timed.

    Raises:
        ConfigurationError: A model cannot answer the inputs.
    """
    batch = rows(inputs, batch_size)
    return _measure((teacher, student), batch, batch_size, precision, seconds, wait_for_each=False)


def rows(inputs: Any, examples: int) -> Any:
    """So many examples of a batch, which are repeated where they are too few.

    Raises:
        ConfigurationError: The batch is neither a tensor nor a mapping of tensors, or holds nothing.

    Example:
        >>> rows(torch.tensor([[1], [2]]), 3).tolist()
        [[1], [2], [1]]
    """
    if isinstance(inputs, Mapping):
        return {name: rows(part, examples) for name, part in inputs.items()}
    if not isinstance(inputs, Tensor) or inputs.dim() == 0 or len(inputs) == 0:
        came = f"one of shape {list(inputs.shape)}" if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ConfigurationError(
            "To be timed, models need inputs that are a tensor, or a mapping of tensors, with a row an "
            f"example and at least one; got {came}."
        )
    return rows_of(inputs, torch.arange(examples, device=inputs.device) % len(inputs))


@dataclass(frozen=True)
class _Timed:
    """A model that is asked the same again and again."""

    model: nn.Module
    inputs: Any
    precision: Precision
    wait_for_each: bool

    def seconds(self, passes: int) -> float:
        """The mean time of so many passes."""
        self._wait()
        began = time.perf_counter()
        for _ in range(passes):
            with self.precision.autocast():
                call(self.model, self.inputs)
            if self.wait_for_each:
                self._wait()
        self._wait()
        return (time.perf_counter() - began) / passes

    def warm_up(self, seconds: float) -> float:
        """The least time of a pass, once what is done in the first ones is done."""
        times: list[float] = []
        while len(times) < _WARM_UP_CALLS or sum(times) < seconds:
            times.append(self.seconds(1))
        return min(times)

    def _wait(self) -> None:
        if self.precision.device.type != "cpu":
            torch.accelerator.synchronize(self.precision.device)


def _measure(
    models: tuple[nn.Module, nn.Module],
    inputs: Any,
    batch_size: int,
    precision: Precision,
    seconds: float,
    *,
    wait_for_each: bool,
) -> Speed:
    if not 0 < seconds < math.inf:
        raise ConfigurationError(f"The seconds to measure for must be above 0 and finite, got {seconds}.")
    there = move(inputs, precision.device)
    timed = [_Timed(model, there, precision, wait_for_each) for model in models]
    taken: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for model in models:
            stack.enter_context(mode(model, training=False))
        passes, turn_seconds = [], min(_TURN_SECONDS, seconds / (2 * _FEWEST_ROUNDS))
        for who, one in zip(("teacher", "student"), timed, strict=True):
            try:
                least = one.warm_up(min(_WARM_UP_SECONDS, seconds))
            except Exception as error:  # a model may fail in any way
                told = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise ConfigurationError(
                    f"The {who} cannot answer a batch of {batch_size} ({told}): look at what it takes, or "
                    "try another batch size."
                ) from error
            passes.append(max(1, math.ceil(turn_seconds / least)))
        began = time.perf_counter()
        while len(taken[0]) < _FEWEST_ROUNDS or time.perf_counter() - began < seconds:
            for side in (0, 1) if len(taken[0]) % 2 == 0 else (1, 0):
                taken[side].append(timed[side].seconds(passes[side]))
    return Speed(batch_size, tuple(taken[0]), tuple(taken[1]))
