"""`distillkit schema`: what an editor needs to complete and check run files."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from distillkit.cli.console import print_json, stderr


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="A kind of loss, transfer set, model, data, optimiser or schedule; else a whole run file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """The JSON Schema of run files, for editors: every kind that is installed, plug-ins too.

    [dim]distillkit schema > run.schema.json[/]

    With the line [dim]# yaml-language-server: $schema=run.schema.json[/] an editor completes a run file.
    """
    # imported here for a quick start
    from distillkit.workbench.authoring.schemas import schema_of

    found = schema_of(kind)
    print_json(found.schema)
    for problem in found.problems:
        stderr().print(f"[yellow]Left out:[/] {escape(problem)}", soft_wrap=True)
