"""The switch from the optimiser's own steps to fused steps, where they give the same and pay."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.forward.compiling import Compiling
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.torch_internals import gradient_has_hooks
from distillkit.engine.update.fused.bf16_weights import Bf16Weights
from distillkit.engine.update.fused.compiler import compiler
from distillkit.engine.update.fused.fused_step import FusedStep, has_rules
from distillkit.engine.update.stepping import PlainStepping
from distillkit.outputs import call, logits_of

logger = logging.getLogger("distillkit")

_NUMBERS_THAT_PAY = 10_000_000_000
"""Weights times steps: compiling takes 2 to 10 s, once for all students of a shape, and a fused step saves
0.1 to 0.6 ns a weight on a CPU with AVX-512."""


def fused_step_pays(compiling: Compiling, precision: Precision, weights: int, steps: int) -> bool:
    """Whether to make the updates by `FusedStep`, in bfloat16 on a CPU.

    Args:
        compiling: Whether the step may be compiled; `auto` depends on the work ahead.
        precision: A fused step saves the casts between bfloat16 and float32; other precisions have none.
        weights: Number of trained weights.
        steps: Steps ahead.
    """
    if precision.name != "bf16" or precision.device.type != "cpu" or not compiler.works:
        return False
    pays = compiling.wanted(pays=weights * steps >= _NUMBERS_THAT_PAY)
    logger.info(
        "Updates in bf16 are %s: %d weights, %d steps ahead",
        "made in one compiled pass" if pays else "not compiled",
        weights,
        steps,
    )
    return pays


class FusedStepping:
    """Steps by a compiled pass, from gradients of bfloat16 copies."""

    def __init__(self, copies: Bf16Weights, fused: FusedStep, plain: PlainStepping) -> None:
        self._copies, self._fused, self._plain = copies, fused, plain

    def begin(self) -> None:
        """Do nothing: the last step has left no gradients."""

    def weights_in_place(self) -> AbstractContextManager[object]:
        """Put the copies in the place of the weights."""
        return self._copies.in_place()

    def backward(self, total: Tensor) -> None:
        """Run backward."""
        total.backward()

    def step(self) -> None:
        """Make a fused step, or the optimiser's own, which skips a weight that has no gradient."""
        if self._fused.ready():
            self._fused.step()
            return
        self._copies.give_gradients()
        self._plain.step()
        self._copies.forget_gradients()
        self._copies.renew()


class SwitchToFused:
    """Tries, after an update by the optimiser, whether the next updates can be made by fused steps.

    Args:
        student: The module that is trained.
        optimizer: Has made a step before the switch is tried.
        precision: bfloat16 on a CPU.
        clip_norm: Largest global norm of the gradients.
        plain: Makes the updates in between.
    """

    def __init__(
        self,
        student: nn.Module,
        optimizer: Optimizer,
        precision: Precision,
        clip_norm: float | None,
        plain: PlainStepping,
    ) -> None:
        self._student, self._optimizer, self._precision = student, optimizer, precision
        self._clip_norm = None if clip_norm is None else torch.tensor(clip_norm)
        self._plain = plain
        self._tried: dict[tuple[int, ...], bool] = {}

    def __call__(self, inputs: Any) -> FusedStepping | None:
        """Return the fused stepping; `None`, with a line in the log, where it would not give the same.

        Args:
            inputs: The inputs of the last batch.
        """
        if not has_rules(self._optimizer) or not _plain_parameters(self._student):
            return None
        copies = Bf16Weights(self._student)
        trained = tuple(id(parameter) for parameter in copies.leaves)
        if trained not in self._tried:
            self._tried[trained] = self._does_the_same(copies, inputs)
        if not self._tried[trained]:
            return None
        copies.forget_gradients()
        fused = FusedStep(self._optimizer, copies.leaves, self._clip_norm)
        return FusedStepping(copies, fused, self._plain) if compiler.tries(fused.compile) else None

    def _does_the_same(self, copies: Bf16Weights, inputs: Any) -> bool:
        """Whether outputs and gradients in evaluation mode are the same to the bit with the copies."""
        with torch.random.fork_rng(devices=[]), mode(self._student, training=False):
            outputs, gradients = self._run(inputs, list(copies.leaves))
            with copies.in_place():
                again, of_copies = self._run(inputs, list(copies.leaves.values()))
        same = torch.equal(outputs, again) and all(
            own is not None and of_copy is not None and torch.equal(own, of_copy.to(own.dtype))
            for own, of_copy in zip(gradients, of_copies, strict=True)
        )
        if not same:
            logger.info(
                "Updates are not compiled: the student uses the weights of layers in ways of its own."
            )
        return same

    def _run(self, inputs: Any, leaves: list[Tensor]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        with self._precision.autocast():
            logits = logits_of(call(self._student, inputs), "The student")
        return logits.detach(), torch.autograd.grad(logits.float().square().sum(), leaves, allow_unused=True)


def _plain_parameters(student: nn.Module) -> bool:
    """Whether all trained parameters are contiguous float32 without hooks."""
    return all(
        parameter.dtype == torch.float32 and parameter.is_contiguous() and not gradient_has_hooks(parameter)
        for parameter in student.parameters()
        if parameter.requires_grad
    )
