"""The losses of an epoch's steps, kept on the device and read seldom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError, DivergenceError

_READ_EVERY = 50


class StepLog:
    """Collects each step's contributions; stops the training when one is not finite.

    Reading a number from a GPU waits for it, so the values are looked at every 50 steps and at the end of the
    epoch.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._names: list[str] = []
        self._unread: list[Tensor] = []
        self._sums: list[float] = []
        self._steps = 0

    def add(self, contributions: Mapping[str, Tensor]) -> None:
        """Take one step's contributions, scalars.

        Raises:
            DivergenceError: A step since the last look was not finite.
        """
        if not self._names:
            self._names = list(contributions)
        values = list(contributions.values())
        self._unread.append(values[0] if len(values) == 1 else torch.stack(values))
        if len(self._unread) == _READ_EVERY:
            self._read()

    def count(self, names: Sequence[str], row: Sequence[float]) -> None:
        """Take one step's contributions as numbers.

        Raises:
            DivergenceError: One of them is not finite.
        """
        if not self._sums:
            self._names, self._sums = list(names), [0.0] * len(names)
        self._steps += 1
        if not all(math.isfinite(value) for value in row):
            terms = ", ".join(f"{name}={value:.4g}" for name, value in zip(names, row, strict=True))
            raise DivergenceError(
                f"The loss is no longer finite at step {self._steps} of epoch {self._epoch + 1} "
                f"({terms}). Likely causes: a learning rate that is too high (lower it, or set "
                "clip_norm=1.0), fp16 overflow (use bf16 or fp32), or inputs that are not finite."
            )
        self._sums = [total + value for total, value in zip(self._sums, row, strict=True)]

    def means(self) -> dict[str, float]:
        """The epoch's mean loss as `loss`, and of its contributions where there are several.

        Raises:
            ConfigurationError: There was no step.
            DivergenceError: A step since the last look was not finite.
        """
        self._read()
        if not self._steps:
            raise no_batch(self._epoch)
        means = {name: total / self._steps for name, total in zip(self._names, self._sums, strict=True)}
        loss = sum(means.values())
        return {"loss": loss} if len(means) == 1 else {"loss": loss, **means}

    def _read(self) -> None:
        if not self._unread:
            return
        rows = torch.stack(self._unread).double().reshape(len(self._unread), -1).tolist()
        self._unread.clear()
        for row in rows:
            self.count(self._names, row)


def no_batch(epoch: int) -> ConfigurationError:
    """Return the error of an epoch, from 0, without any batch."""
    return ConfigurationError(
        f"The data gave no batch in epoch {epoch + 1}: they are empty, can be read only once, or drop_last "
        "left nothing of them."
    )
