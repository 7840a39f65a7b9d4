"""Around a job of runs: its progress, and what a person is told when it is cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from distillkit.cli.commands import INTERRUPTED, TERMINATED
from distillkit.cli.console import stderr
from distillkit.cli.progress import RunsProgress
from distillkit.cli.signals import Terminated

if TYPE_CHECKING:
    from distillkit.mnist.cells.run_context import RunContext
    from distillkit.mnist.data.digits import MnistData


@contextmanager
def run_context_for(
    protocol: str, device: str, precision: str, *, at_once: int | None, quick: bool, quiet: bool
) -> Iterator[Callable[[MnistData], RunContext]]:
    """Settle device and precision before data are read; give what makes the context, draw its progress.

    Raises:
        ConfigurationError: There is no such device, or it cannot do the precision.
    """
    # imported here for a quick start
    from distillkit.mnist.cells.run_context import RunContext
    from distillkit.workbench import resolve_device, settle_precision

    found = resolve_device(device)
    settled = settle_precision(precision, found)
    with RunsProgress(stderr(), quiet=quiet) as observer:
        yield lambda data: RunContext(data, protocol, quick, found, settled, observer, at_once)


@contextmanager
def interruptible(folder: Path) -> Iterator[None]:
    """Say what is kept when Ctrl-C or SIGTERM ends the job."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as error:
        finished = (
            sum(1 for _ in (folder / "results.jsonl").open("rb"))
            if (folder / "results.jsonl").exists()
            else 0
        )
        stderr().print(
            f"[bold yellow]Stopped.[/] {finished} results are kept in {escape(str(folder))}; the same "
            "command goes on there.",
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED) from None
