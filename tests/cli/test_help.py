"""What `--help` shows."""

from __future__ import annotations

from inspect import cleandoc

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from distillkit.cli import app
from distillkit.cli.commands import Commands


def texts() -> dict[str, str]:
    """The docstring of each command."""
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    return {
        str(command.name): cleandoc(command.callback.__doc__ or "")
        for group in groups
        if group is not None
        for command in group.registered_commands
        if command.callback is not None
    }


@pytest.mark.parametrize("name", texts())
def test_paragraphs_are_lines(name: str) -> None:
    """Typer keeps the line breaks of all paragraphs but the first, wherever the terminal ends."""
    assert [part for part in texts()[name].split("\n\n")[1:] if "\n" in part] == []


def test_commands_stand_in_the_order_of_their_page() -> None:
    """The one that most come for is the first."""
    command = get_command(app)
    assert isinstance(command, Commands)
    names = command.list_commands(None)
    assert names[:5] == ["reproduce", "sweep", "train", "compare", "inspect"]


@pytest.mark.parametrize("name", ["compare", "export", "inspect", "train"])
def test_help_fits_80_columns(name: str) -> None:
    """Each option with its meaning."""
    outcome = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, [name, "--help"])
    assert outcome.exit_code == 0
    assert max(map(len, outcome.stdout.splitlines())) <= 80
