"""`distillkit losses` and `distillkit transfer-sets`: what is installed, plug-ins too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from distillkit.cli import options
from distillkit.cli.console import print_json, stdout

if TYPE_CHECKING:
    from distillkit.experiments.policy_listing import PolicyDescription


def losses(as_json: options.Json = False) -> None:
    """The losses that are installed, with their fields; plug-ins too.

    [dim]distillkit losses --json[/] prints the JSON Schema of each.
    """
    from distillkit.experiments.policy_listing import describe_family
    from distillkit.losses import Loss

    _show(describe_family(Loss), as_json=as_json)


def transfer_sets(as_json: options.Json = False) -> None:
    """The transfer sets that are installed, with their fields; plug-ins too.

    [dim]distillkit transfer-sets --json[/] prints the JSON Schema of each.
    """
    from distillkit.experiments.policy_listing import describe_family
    from distillkit.transfer_sets import TransferSet

    _show(describe_family(TransferSet), as_json=as_json)


def _show(described: Sequence[PolicyDescription], *, as_json: bool) -> None:
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
        return
    console = stdout()
    for one in described:
        console.print(f"[bold]{escape(one.kind)}[/]  [dim]{escape(one.source)}[/]")
        if one.problem is not None:
            console.print(Padding(f"[red]cannot be used:[/] {escape(one.problem)}", (0, 0, 0, 2)))
        if one.summary:
            console.print(Padding(escape(one.summary), (0, 0, 0, 2)))
        if one.fields:
            console.print(Padding(_fields(one), (0, 0, 0, 2)))
        console.print()


def _fields(one: PolicyDescription) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("Field", no_wrap=True)
    table.add_column("Type", ratio=3)
    table.add_column("Default", max_width=28, overflow="fold")  # a policy takes several lines
    table.add_column("Meaning", ratio=5)
    for field in one.fields:
        table.add_row(*map(escape, (field.name, field.type, field.default, field.description)))
    return table
