"""The classes behind the commands: lists of values after one option, and errors in one line."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from distillkit.cli.console import stderr
from distillkit.cli.signals import Terminated
from distillkit.errors import DistillkitError

INTERRUPTED, TERMINATED = 130, 143


class ListsCommand(TyperCommand):
    """Takes `--D 30 300 800` as `--D 30 --D 300 --D 800`, for every option that may stand several times."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, then parse as ever."""
        lists = {
            name
            for parameter in self.params
            if getattr(parameter, "multiple", False)
            for name in parameter.opts
        }
        repeated: list[str] = []
        current: str | None = None
        values = 0
        for position, argument in enumerate(args):
            if argument == "--":
                return super().parse_args(ctx, [*repeated, *args[position:]])
            if argument.startswith("-") and not _is_number(argument):
                current, values = (argument if argument in lists else None), 0
                repeated.append(argument)
            elif current is None:
                repeated.append(argument)
            else:
                repeated += [argument] if values == 0 else [current, argument]
                values += 1
        return super().parse_args(ctx, repeated)


class Commands(TyperGroup):
    """Ends an error that distillkit can explain in one line and its exit code, never in a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands as they were added, but `reproduce` first, where typer has groups last."""
        return sorted(super().list_commands(ctx), key=lambda name: name != "reproduce")

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except DistillkitError as error:
            if debugging():
                raise
            stderr().print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if debugging() or isinstance(error, BrokenPipeError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            stderr().print(
                f"[bold red]Error:[/] {escape(where)}{escape(error.strerror or str(error))}.", soft_wrap=True
            )
            raise typer.Exit(1) from None
        except Terminated:
            raise typer.Exit(TERMINATED) from None


def debugging() -> bool:
    """Whether tracebacks are wanted: `--debug` or DISTILLKIT_DEBUG."""
    return "--debug" in sys.argv or os.environ.get("DISTILLKIT_DEBUG", "") not in {"", "0"}


def _is_number(argument: str) -> bool:
    try:
        float(argument)
    except ValueError:
        return False
    return True
