"""Where the command line writes: data to stdout, everything else to stderr."""

from __future__ import annotations

from rich.console import Console


def stdout() -> Console:
    """For what a person or a program asked for."""
    return Console(highlight=False)


def stderr() -> Console:
    """For progress, notes and errors."""
    return Console(stderr=True, highlight=False)
