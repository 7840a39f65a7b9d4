"""Ctrl-C and SIGTERM: both unwind the program, so that nothing is left half done."""

from __future__ import annotations

import signal
from types import FrameType


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


class _Asked:
    """The signal that the program was asked to end by, if it was."""

    by: type[BaseException] | None = None


def end_on_signals() -> None:
    """Let a SIGINT and a SIGTERM unwind the program."""

    def unwind(number: int, frame: FrameType | None) -> None:
        _Asked.by = KeyboardInterrupt if number == signal.SIGINT else Terminated
        raise _Asked.by

    signal.signal(signal.SIGINT, unwind)
    signal.signal(signal.SIGTERM, unwind)


def end_if_asked() -> None:
    """Unwind now, where a signal came and what it raised was lost.

    Some of torch's imports pass over whatever is raised in them, also a Ctrl-C of the first seconds.
    """
    if _Asked.by is not None:
        raise _Asked.by
