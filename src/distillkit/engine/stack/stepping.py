"""From a stack's loss to its new weights: backward, clip each student, step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from distillkit.engine.forward.precision import Precision
from distillkit.engine.stack.optimizer import StackedOptimizer
from distillkit.engine.stack.weights import StackedWeights
from distillkit.engine.update.fused.compiler import compiler
from distillkit.engine.update.fused.fused_step import FusedStep, has_rules


class StackedStepping:
    """Steps by the stacked optimiser; or by a fused step, after a first step of each epoch.

    Args:
        weights: Of all students.
        optimizer: Steps them.
        precision: Of the passes forward and back.
        clip_norms: Each student's largest global norm; infinite for one that is not clipped.
        fused: Whether fused steps are wanted. Every weight must be one that autocast would cast.
    """

    def __init__(
        self,
        weights: StackedWeights,
        optimizer: StackedOptimizer,
        precision: Precision,
        clip_norms: Sequence[float],
        *,
        fused: bool,
    ) -> None:
        self._weights, self._optimizer, self._precision = weights, optimizer, precision
        self._clip_norms = None
        if any(math.isfinite(norm) for norm in clip_norms):
            self._clip_norms = torch.tensor(clip_norms, device=precision.device)
        self._wanted = fused
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Take nothing for granted of what may have happened to weights and optimiser between epochs."""
        self._fused: FusedStep | None = None
        self._copies: Mapping[str, Tensor] = {}
        self._first_of_epoch = True

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of the forward pass."""
        return {**self._weights.all(), **self._copies}

    def begin(self) -> None:
        """Drop the gradients of the update before."""
        self._optimizer.zero_grad()

    def backward(self, total: Tensor) -> None:
        """Add the gradients of all losses."""
        with self._precision.backward():
            total.backward()

    def step(self) -> None:
        """Clip each student's gradients by its own norm, and step."""
        if self._fused is not None:
            self._fused.step()
            return
        self._clip()
        self._optimizer.step()
        if self._first_of_epoch and self._wanted:
            self._switch_to_fused()
        self._first_of_epoch = False

    def _switch_to_fused(self) -> None:
        if not self._optimizer.uniform or not has_rules(self._optimizer.in_use()):
            return
        self._optimizer.zero_grad()
        trained = self._weights.trainable
        copies = {name: one.detach().to(torch.bfloat16).requires_grad_() for name, one in trained.items()}
        leaves = {one: copies[name] for name, one in trained.items()}
        fused = FusedStep(self._optimizer.in_use(), leaves, self._clip_norms)
        if compiler.tries(fused.compile):
            self._fused, self._copies = fused, copies

    @torch.no_grad()
    def _clip(self) -> None:
        if self._clip_norms is None:
            return
        gradients = [tensor.grad for tensor in self._weights.trainable.values() if tensor.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(one.reshape(len(one), -1), dim=1) for one in gradients])
        factors = (self._clip_norms / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp_(max=1.0)
        for one in gradients:
            one.mul_(factors.view(-1, *[1] * (one.dim() - 1)))
