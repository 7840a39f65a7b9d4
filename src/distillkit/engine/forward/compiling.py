"""`torch.compile` where it pays, and going on without it where it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from distillkit.engine.arguments import one_of
from distillkit.engine.torch_internals import compiler_errors

logger = logging.getLogger("distillkit")

CompileMode = Literal["auto", "on", "off", "graphs"]

_STEPS_THAT_PAY = 2000
"""Compiling costs some ten seconds and saves a fraction of a millisecond a step on a GPU."""


@dataclass(frozen=True, slots=True)
class Compiling:
    """The setting `compile`, which is read nowhere else.

    Raises:
        ConfigurationError: There is no such mode.
    """

    mode: CompileMode

    def __post_init__(self) -> None:
        one_of("compile", self.mode, get_args(CompileMode))

    @property
    def graphs(self) -> bool:
        """Whether whole updates are recorded as CUDA graphs; nothing is compiled then."""
        return self.mode == "graphs"

    def wanted(self, *, pays: bool) -> bool:
        """Whether something is to be compiled: always with `on`, and with `auto` where it pays."""
        return self.mode == "on" or (self.mode == "auto" and pays)

    def switched_off(self, reason: str) -> Compiling:
        """Return `off` instead, and log why: as a warning where `on` or `graphs` was asked for."""
        if self.mode != "off":
            level = logging.INFO if self.mode == "auto" else logging.WARNING
            logger.log(level, "Nothing is compiled or recorded: %s.", reason)
        return Compiling("off")


def forward_of(
    student: nn.Module, compiling: Compiling, steps: int, device: torch.device
) -> Callable[..., Any]:
    """Return the student's forward pass, compiled or as it is; the module itself is never changed.

    `auto` compiles on a GPU for at least 2,000 steps. On a CPU compiling takes seconds and saves a few
    percent, so `auto` leaves it out.
    """
    wanted = compiling.wanted(pays=device.type == "cuda" and steps >= _STEPS_THAT_PAY)
    if compiling.mode == "auto":
        logger.info(
            "torch.compile is %s: %d steps ahead on %s", "on" if wanted else "off", steps, device.type
        )
    return _CompiledOrPlain(student) if wanted else student


class _CompiledOrPlain:
    """A compiled forward pass that falls back to the module, for good, where the machine cannot compile."""

    def __init__(self, student: nn.Module) -> None:
        self._errors = compiler_errors()
        self._student = student
        self._forward: Callable[..., Any] = student
        try:
            self._forward = torch.compile(student)
        except RuntimeError as error:  # no compiler for this Python or system
            self._give_up(error)

    def __call__(self, *inputs: Any, **named_inputs: Any) -> Any:
        try:
            return self._forward(*inputs, **named_inputs)
        except self._errors as error:  # at the first batch, or at one of another shape
            self._give_up(error)
        return self._student(*inputs, **named_inputs)

    def _give_up(self, error: Exception) -> None:
        logger.warning("torch.compile does not work here, so the student runs as it is: %s", reason_of(error))
        self._forward = self._student


def reason_of(error: Exception) -> str:
    """Return an error's message on one line, cut where it is long."""
    return " ".join(str(error).split())[:200] or type(error).__name__
