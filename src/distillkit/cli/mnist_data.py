"""Finding MNIST for a command, and saying loudly where it is not MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import Progress, TaskID

from distillkit.cli.options import DataName

if TYPE_CHECKING:
    from distillkit.mnist.data.digits import MnistData


def find_data(name: DataName, data_dir: Path | None, console: Console, *, quiet: bool) -> MnistData:
    """The digits of a name; a panel announces the stand-in, also where it is quiet.

    Raises:
        DataUnavailableError: MNIST is damaged or cannot be had.
    """
    # imported here for a quick start
    from distillkit.mnist.data.digits import load_mnist, load_stand_in

    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        if name is DataName.STAND_IN:
            data = load_stand_in(progress=show)
        else:
            data = load_mnist(data_dir, allow_stand_in=name is DataName.AUTO, progress=show)
    if data.is_stand_in:
        console.print(
            Panel(
                "These are not MNIST: the digits are drawn from matplotlib's fonts.\nEverything "
                "runs, and nothing is "
                "compared with the papers; every table, figure and file says so.\n\nFor the real "
                "thing: --data-dir DIR, "
                f"DISTILLKIT_DATA=DIR, or a connection.\n[dim]Why: {escape(data.reason)}[/]",
                title="[bold]STAND-IN DATA[/]",
                border_style="bold red",
            )
        )
    elif not quiet:
        console.print(f"[dim]MNIST from {escape(data.where)}[/]")
    return data
