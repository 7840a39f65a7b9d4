"""Functions that are compiled once a process for each kind of arguments, where the machine can compile."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Hashable
from typing import Any

import torch

from distillkit.engine.forward.compiling import reason_of
from distillkit.engine.torch_internals import compiler_errors

logger = logging.getLogger("distillkit")


class Compiler:
    """Compiles functions and remembers them, and whether compiling works.

    Attributes:
        works: Whether no compilation has failed so far.
    """

    def __init__(self) -> None:
        self._compiled: dict[Hashable, Callable[..., Any]] = {}
        self.works = True

    def once(self, function: Callable[..., Any], key: Hashable) -> Callable[..., Any]:
        """Return the function, compiled at its first call.

        Args:
            function: A function of tensors, which it may change in place.
            key: Equal for functions that do the same to tensors of the same shapes.
        """
        if key not in self._compiled:
            # torch counts compilations by code object and gives up after some, so each gets its own
            own = types.FunctionType(
                function.__code__.replace(),
                function.__globals__,
                function.__name__,
                function.__defaults__,
                function.__closure__,
            )
            self._compiled[key] = torch.compile(own, fullgraph=True, dynamic=False)
        return self._compiled[key]

    def tries(self, run: Callable[[], object]) -> bool:
        """Call a function that compiles; return whether it worked. One warning a process where it failed."""
        if not self.works:
            return False
        # torch.compile itself raises a RuntimeError, as on a Python that it does not support
        failures: tuple[type[Exception], ...] = (RuntimeError, *compiler_errors())
        try:
            run()
        except failures as error:
            self.works = False
            logger.warning(
                "torch.compile does not work here, so updates run as they are: %s", reason_of(error)
            )
        return self.works


compiler = Compiler()
