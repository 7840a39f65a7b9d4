"""`distillkit losses` and `distillkit transfer-sets`: what is installed, plug-ins too."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from distillkit.cli import options
from distillkit.cli.console import print_json, stderr, stdout

if TYPE_CHECKING:
    from distillkit.policy import Policy
    from distillkit.workbench.authoring.policy_listing import PolicyDescription

Kinds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KIND]...", help="Show these, with their fields.", show_default=False),
]


def losses(kinds: Kinds = None, as_json: options.Json = False) -> None:
    """The losses that are installed, plug-ins too; of those that are named, the fields.

    [dim]distillkit losses[/]

    [dim]distillkit losses dkd crd[/]

    [dim]distillkit losses --json[/] prints the JSON Schema of each.
    """
    # imported here for a quick start
    from distillkit.losses import Loss

    _show(Loss, kinds or (), "losses", as_json=as_json)


def transfer_sets(kinds: Kinds = None, as_json: options.Json = False) -> None:
    """The transfer sets that are installed, plug-ins too; of those that are named, the fields.

    [dim]distillkit transfer-sets[/]

    [dim]distillkit transfer-sets fraction jitter[/]

    [dim]distillkit transfer-sets --json[/] prints the JSON Schema of each.
    """
    # imported here for a quick start
    from distillkit.transfer_sets import TransferSet

    _show(TransferSet, kinds or (), "transfer-sets", as_json=as_json)


def _show(family: type[Policy], kinds: Sequence[str], command: str, *, as_json: bool) -> None:
    # imported here for a quick start
    from distillkit.workbench.authoring.policy_listing import describe_family

    described = describe_family(family, kinds)
    if as_json:
        listed = [
            {
                "kind": one.kind,
                "source": one.source,
                "summary": one.summary,
                "problem": one.problem,
                "schema": one.schema,
            }
            for one in described
        ]
        print_json(listed)
    elif kinds:
        _show_fields(described)
    else:
        _show_list(described)
        stderr().print(f"[dim]distillkit {command} KIND shows the fields of one.[/]")


def _show_list(described: Sequence[PolicyDescription]) -> None:
    """A line each, what is built in first, then package by package."""
    # imported here for a quick start
    from distillkit.workbench.authoring.policy_listing import BUILT_IN

    def package(one: PolicyDescription) -> tuple[bool, str]:
        return one.source != BUILT_IN, one.source

    console = stdout()
    width = max(len(one.kind) for one in described)  # the packages' tables stand in one line
    for (_, source), members in groupby(sorted(described, key=package), key=package):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=width, style="bold")
        table.add_column()
        for one in members:
            table.add_row(escape(one.kind), _problem(one) or escape(one.summary))
        console.print(f"[dim]{escape(source)}[/]")
        console.print(Padding(table, (0, 0, 1, 2)))


def _show_fields(described: Sequence[PolicyDescription]) -> None:
    """Each with its settings."""
    console = stdout()
    for one in described:
        console.print(f"[bold]{escape(one.kind)}[/]  [dim]{escape(one.source)}[/]")
        if text := _problem(one) or escape(one.summary):
            console.print(Padding(text, (0, 0, 0, 2)))
        if one.fields:
            console.print(Padding(_fields(one), (0, 0, 0, 2)))
        console.print()


def _problem(one: PolicyDescription) -> str:
    return "" if one.problem is None else f"[red]cannot be used:[/] {escape(one.problem)}"


def _fields(one: PolicyDescription) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("Field", no_wrap=True)
    table.add_column("Type", ratio=3)
    table.add_column("Default", max_width=28, overflow="fold")  # a policy takes several lines
    table.add_column("Meaning", ratio=5)
    for field in one.fields:
        table.add_row(*map(escape, (field.name, field.type, field.default, field.description)))
    return table
