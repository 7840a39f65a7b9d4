"""The command line. Nothing heavy is imported before a command needs it, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from distillkit.cli import (
    compare,
    export,
    folders,
    inspect_model,
    new,
    policies,
    reproduce,
    schema,
    sweep,
    train,
)
from distillkit.cli.commands import Commands, ListsCommand
from distillkit.cli.console import stdout
from distillkit.cli.logs import show_logs
from distillkit.cli.signals import end_on_signals

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(reproduce.app, name="reproduce")
app.command("sweep", cls=ListsCommand)(sweep.sweep)
app.command("train")(train.train)
app.command("compare", cls=ListsCommand)(compare.compare)
app.command("inspect", cls=ListsCommand)(inspect_model.inspect)
app.command("export", cls=ListsCommand)(export.export)
app.command("report")(folders.report)
app.command("verify")(folders.verify)
app.command("losses")(policies.losses)
app.command("transfer-sets")(policies.transfer_sets)
app.add_typer(new.app, name="new")
app.command("schema")(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        # imported here for a quick start
        from importlib.metadata import version

        stdout().print(f"distillkit {version('distillkit')}")
        raise typer.Exit


@app.callback()
def distillkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, as DISTILLKIT_DEBUG=1 does.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say what is decided on the way: stacks, compiling, precision."),
    ] = False,
) -> None:
    """Distil any PyTorch teacher into any student, and repeat the experiments that started the field.

    [dim]distillkit reproduce hinton-mnist --quick[/]

    [dim]distillkit sweep --D 30 300 800 --T 1 2 4 10 20 50[/]

    [dim]distillkit train run.yaml[/]

    Exit codes: 0 done, 1 a check failed, 2 usage or configuration, 3 no data, 130 and 143 interrupted.
    """
    show_logs(verbose=verbose)


def main() -> None:
    """The entry point of the `distillkit` command."""
    end_on_signals()
    app()
