"""From a loss to new weights: gradients, clipping, the optimiser's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.forward.precision import Precision
from distillkit.engine.update.clipping import clipping_for


class Stepping(Protocol):
    """How an update gets from its losses to new weights."""

    def begin(self) -> None:
        """Drop the gradients of the update before."""
        ...

    def weights_in_place(self) -> AbstractContextManager[object]:
        """Return the context of the passes forward and back, in which other weights may stand in."""
        ...

    def backward(self, total: Tensor) -> None:
        """Add the gradients of a loss."""
        ...

    def step(self) -> None:
        """Clip the gradients and make one step of the optimiser."""
        ...


class PlainStepping:
    """Steps by the optimiser itself.

    Args:
        parameters: What is trained.
        optimizer: Holds the same parameters.
        precision: The precision of the passes.
        clip_norm: Largest global norm of the gradients.
        scaler: Scales the loss, where float16 needs it.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        optimizer: Optimizer,
        precision: Precision,
        clip_norm: float | None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self._optimizer, self._precision, self._scaler = optimizer, precision, scaler
        self._clipped: Callable[[], Any] = nullcontext
        if clip_norm is not None:
            self._clipped = clipping_for(optimizer, parameters, clip_norm, scaled=scaler is not None)

    def begin(self) -> None:
        """Drop the gradients of the update before."""
        self._optimizer.zero_grad(set_to_none=True)

    def weights_in_place(self) -> AbstractContextManager[object]:
        """Leave the weights as they are."""
        return nullcontext()

    def backward(self, total: Tensor) -> None:
        """Run backward, scaled where the precision asks for it."""
        if self._scaler is not None:
            total = self._scaler.scale(total)
        with self._precision.backward():
            total.backward()

    def step(self) -> None:
        """Clip and step."""
        if self._scaler is None:
            with self._clipped():
                self._optimizer.step()
            return
        self._scaler.unscale_(self._optimizer)
        with self._clipped():
            self._scaler.step(self._optimizer)
        self._scaler.update()
