"""Taking over from the optimiser: where that is sound and pays, and how a step is made then."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.forward.compiling import CompileMode
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.update.fused.bf16_weights import Bf16Weights
from distillkit.engine.update.fused.compiler import compiler
from distillkit.engine.update.fused.fused_step import FusedStep, has_rules
from distillkit.engine.update.stepping import PlainStepping
from distillkit.outputs import call, logits_of

logger = logging.getLogger("distillkit")

_NUMBERS_THAT_PAY = 10_000_000_000
"""Weights times steps: compiling takes 2 to 10 s, once for all students of a shape, and a pass saves a CPU
with AVX-512 0.1 to 0.6 ns a weight."""


def fused_step_pays(compile_mode: CompileMode, precision: Precision, weights: int, steps: int) -> bool:
    """Whether updates in bfloat16 on a CPU should be made by `FusedStep`.

    Args:
        compile_mode: `auto` looks at the work ahead; the pass is compiled.
        precision: The pass saves the casts between bfloat16 and float32; elsewhere there are none.
        weights: Numbers that are trained.
        steps: Steps ahead.
    """
    if precision.name != "bf16" or precision.device.type != "cpu" or not compiler.works:
        return False
    pays = compile_mode == "on" or (compile_mode == "auto" and weights * steps >= _NUMBERS_THAT_PAY)
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
        self._copies, self._pass, self._plain = copies, fused, plain

    def begin(self) -> None:
        """Do nothing: the pass before has left no gradients."""

    def weights_in_place(self) -> AbstractContextManager[object]:
        """Put the copies in the place of the weights."""
        return self._copies.in_place()

    def backward(self, total: Tensor) -> None:
        """Run backward."""
        total.backward()

    def step(self) -> None:
        """The pass; the optimiser's own step where a weight has no gradient, and is left alone."""
        if self._pass.ready():
            self._pass.step()
            return
        self._copies.give_gradients()
        self._plain.step()
        self._copies.forget_gradients()
        self._copies.renew()


class SwitchToFused:
    """Tries, after an update by the optimiser, whether the next can be made by the pass.

    Args:
        student: Whose weights are trained.
        optimizer: Has stepped before it is tried.
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
        """The stepping that takes over; `None` where it would not do the same, and the log says so.

        Args:
            inputs: Of the last batch.
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
        """Whether outputs and gradients are the same to the bit with the copies; as in evaluation."""
        with torch.random.fork_rng(devices=[]), mode(self._student, training=False):
            outputs, gradients = self._run(inputs, list(copies.leaves))
            with copies.in_place():
                again, of_copies = self._run(inputs, list(copies.leaves.values()))
        same = torch.equal(outputs, again) and all(
            one is not None and other is not None and torch.equal(one, other.to(one.dtype))
            for one, other in zip(gradients, of_copies, strict=True)
        )
        if not same:
            logger.info(
                "Updates are not compiled: the student uses weights in other ways than its layers do."
            )
        return same

    def _run(self, inputs: Any, leaves: list[Tensor]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        with self._precision.autocast():
            logits = logits_of(call(self._student, inputs), "The student")
        return logits.detach(), torch.autograd.grad(logits.float().square().sum(), leaves, allow_unused=True)


def _plain_parameters(student: nn.Module) -> bool:
    """Whether nothing hangs on gradients, and all that is trained is in float32 and lies in one piece."""
    # names of torch's own; a tensor without hooks has None there
    return all(
        parameter.dtype == torch.float32
        and parameter.is_contiguous()
        and not parameter._backward_hooks
        and not parameter._post_accumulate_grad_hooks
        for parameter in student.parameters()
        if parameter.requires_grad
    )
