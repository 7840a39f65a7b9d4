"""`distillkit schema`: what an editor needs to complete and check run files."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape

from distillkit.cli.console import stderr


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

    With the line [dim]# yaml-language-server: $schema=run.schema.json[/] at its top, an editor completes and
    checks a run file.
    """
    from distillkit.experiments.schemas import schema_of

    found = schema_of(kind)
    json.dump(found.schema, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    for problem in found.problems:
        stderr().print(f"[yellow]Left out:[/] {escape(problem)}", soft_wrap=True)
