"""From a loss to new weights: backward, clip, step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.forward.precision import Precision
from distillkit.engine.update.clipping import clipping_for


class Stepping(Protocol):
    """How an update gets from its loss to new weights."""

    def standing(self) -> AbstractContextManager[object]:
        """The context of the passes forward and back, in which other weights may stand in."""
        ...

    def back(self, total: Tensor) -> None:
        """Old gradients away, new ones there."""
        ...

    def step(self) -> None:
        """One step of the optimiser, from gradients that are clipped."""
        ...


class PlainStepping:
    """By the optimiser itself."""

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        optimizer: Optimizer,
        precision: Precision,
        clip_norm: float | None,
    ) -> None:
        self._optimizer, self._precision = optimizer, precision
        self.scaler = precision.scaler()
        self._clipped: Callable[[], Any] = nullcontext
        if clip_norm is not None:
            self._clipped = clipping_for(optimizer, parameters, clip_norm, scaled=self.scaler is not None)

    def standing(self) -> AbstractContextManager[object]:
        """The weights as they are."""
        return nullcontext()

    def back(self, total: Tensor) -> None:
        """Backward, scaled where the precision asks for it."""
        self._optimizer.zero_grad(set_to_none=True)
        if self.scaler is not None:
            total = self.scaler.scale(total)
        with self._precision.backward():
            total.backward()

    def step(self) -> None:
        """Clip and step."""
        if self.scaler is None:
            with self._clipped():
                self._optimizer.step()
            return
        self.scaler.unscale_(self._optimizer)
        with self._clipped():
            self.scaler.step(self._optimizer)
        self.scaler.update()
