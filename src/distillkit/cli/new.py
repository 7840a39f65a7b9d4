"""`distillkit new`: the files that something of one's own begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from distillkit.cli.commands import Commands
from distillkit.cli.console import stderr, stdout

app = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode="rich", help="Begin something of your own.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback()
def new() -> None:
    """Write the files that something of your own begins with."""


@app.command("loss")
def loss(
    name: Annotated[
        str,
        typer.Argument(
            help="Its kind: small letters, digits and underscores, sharper_targets, say.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = Path(),
) -> None:
    """Write a loss, its test and its page: NAME.py, test_NAME.py and NAME.md.

    They work as they are. Put your maths in place of the example's. Nothing is overwritten.

    [dim]distillkit new loss sharper_targets --out losses[/]
    """
    # imported here for a quick start
    from distillkit.workbench.authoring.new_loss import write_loss

    written = write_loss(name, out)
    for path in written:
        stdout().print(escape(str(path)), soft_wrap=True)
    stderr().print(
        f"Test it: [bold]pytest {escape(str(written[1]))}[/]\n"
        f"Use it: [bold]from {name} import ...[/], or name its kind in a run file, with "
        f"[bold]--code {escape(str(written[0]))}[/]",
        soft_wrap=True,
    )
