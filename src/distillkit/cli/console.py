"""Where the command line writes: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape


def stdout() -> Console:
    """For what a person or a program asked for."""
    return Console(highlight=False)


def stderr() -> Console:
    """For progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, and nothing beside it."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Show each warning as a line on stderr, without the place in the library that warns."""

    def show(message: Warning | str, *details: object, **more: object) -> None:
        stderr().print(f"[yellow]Warning:[/] {escape(str(message))}", soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
