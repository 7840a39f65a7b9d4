"""Functions compiled once a process for each kind of arguments, where the machine can compile."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Hashable
from typing import Any

import torch

from distillkit.engine.forward.compiling import compiler_errors, reason_of

logger = logging.getLogger("distillkit")


class Compiler:
    """Remembers what it has compiled, and that it cannot.

    Attributes:
        works: Whether nothing has failed so far.
    """

    def __init__(self) -> None:
        self._compiled: dict[Hashable, Callable[..., Any]] = {}
        self.works = True

    def once(self, function: Callable[..., Any], key: Hashable) -> Callable[..., Any]:
        """The function, compiled when it is first called.

        Args:
            function: Of tensors, which it may change in place.
            key: Equal for functions that do the same to tensors of the same shapes.
        """
        if key not in self._compiled:
            # torch counts compilations by code object and gives up after some, so each has one of its own
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
        """Call something for its compiling; `False`, with one warning a process, where that fails."""
        if not self.works:
            return False
        # a RuntimeError is torch.compile's own, as on a Python that it does not know
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
