"""`torch.compile` where it pays, and going on without it where it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

logger = logging.getLogger("distillkit")

CompileMode = Literal["auto", "on", "off", "graphs"]
"""`graphs`: not compiled; the whole update is recorded instead (see `recording`)."""

_STEPS_THAT_PAY = 2000
"""Compiling costs some ten seconds and saves a fraction of a millisecond a step on a GPU."""


def forward_of(
    student: nn.Module, compile_mode: CompileMode, steps: int, device: torch.device
) -> Callable[..., Any]:
    """The student's forward pass, compiled or as it is; the module itself is never changed.

    `auto` compiles on a GPU where at least 2,000 steps lie ahead. A CPU gains a few percent and waits seconds
    for them, so there it is left alone.
    """
    wanted = compile_mode == "on" or (
        compile_mode == "auto" and device.type == "cuda" and steps >= _STEPS_THAT_PAY
    )
    if compile_mode == "auto":
        logger.info(
            "torch.compile is %s: %d steps ahead on %s", "on" if wanted else "off", steps, device.type
        )
    return _OrAsItIs(student) if wanted else student


class _OrAsItIs:
    """A compiled forward pass that falls back to the module, for good, where the machine cannot compile."""

    def __init__(self, student: nn.Module) -> None:
        self._cannot = compiler_errors()
        self._student = student
        self._forward: Callable[..., Any] = student
        try:
            self._forward = torch.compile(student)
        except RuntimeError as error:  # no compiler for this Python or system
            self._give_up(error)

    def __call__(self, *inputs: Any, **named_inputs: Any) -> Any:
        try:
            return self._forward(*inputs, **named_inputs)
        except self._cannot as error:  # at the first batch, or at one of another shape
            self._give_up(error)
        return self._student(*inputs, **named_inputs)

    def _give_up(self, error: Exception) -> None:
        logger.warning("torch.compile does not work here, so the student runs as it is: %s", reason_of(error))
        self._forward = self._student


def compiler_errors() -> tuple[type[Exception], ...]:
    """Return the errors of compiled code where the machine cannot compile it."""
    # imported here for a quick start
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    return TorchDynamoException, InductorError


def reason_of(error: Exception) -> str:
    """Its message on one line, cut where it is long."""
    return " ".join(str(error).split())[:200] or type(error).__name__
