"""`distillkit new loss`: what it writes works at once, and what is there stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import distillkit
from distillkit.cli import app
from distillkit.losses import Loss

SOURCE = Path(distillkit.__file__).parents[1]
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
STYLE = PROJECT["tool"]["ruff"]["lint"]


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, ["new", *arguments])


def tool(folder: Path, *command: str) -> str:
    """What a tool says of the files in a folder; it must end well."""
    paths = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["nu", "much_sharper_soft_targets_2026"])
def test_what_is_written_passes_its_own_test_and_the_linter(tmp_path: Path, name: str) -> None:
    """Also with names that are short or long: by ruff's own rules, and by distillkit's."""
    outcome = call("loss", name, "--out", str(tmp_path / "mine"))
    assert outcome.exit_code == 0, outcome.output
    written = [Path(line).name for line in outcome.stdout.splitlines()]
    assert written == [f"{name}.py", f"test_{name}.py", f"{name}.md"]
    folder = tmp_path / "mine"
    assert sorted(written) == sorted(path.name for path in folder.iterdir())
    tool(folder, "ruff", "check", "--isolated", "--no-cache")
    tool(folder, "ruff", "format", "--isolated", "--no-cache", "--check")
    ignored = ",".join([*STYLE["ignore"], "S101"])  # asserts, as in every test
    chosen = ["--select", ",".join(STYLE["select"]), "--ignore", ignored]
    google = ["--config", "lint.pydocstyle.convention='google'"]
    tool(folder, "ruff", "check", "--isolated", "--no-cache", *chosen, *google)
    assert "6 passed" in tool(folder, "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py")


def test_what_is_written_passes_mypy(tmp_path: Path) -> None:
    """In strict mode, class and test."""
    assert call("loss", "typed_loss", "--out", str(tmp_path)).exit_code == 0
    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports", "--cache-dir", os.devnull]
    tool(tmp_path, "mypy", *options, "typed_loss.py", "test_typed_loss.py")


def test_its_kind_is_known_where_its_file_is_named(tmp_path: Path) -> None:
    """As --code of a run file does; and the page names the entry point as it must be."""
    from distillkit.workbench.runs.code_file import code_file

    call("loss", "coded_loss", "--out", str(tmp_path))
    with code_file(tmp_path / "coded_loss.py"):
        loss = Loss.from_dict({"kind": "coded_loss", "temperature": 2})
        assert json.loads(loss.to_json()) == {"kind": "coded_loss", "temperature": 2.0}
    assert 'coded_loss = "coded_loss:CodedLoss"' in (tmp_path / "coded_loss.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("there", ["kept.py", "test_kept.py", "kept.md"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    """Nor is anything written beside it."""
    (tmp_path / there).write_text("mine")
    outcome = call("loss", "kept", "--out", str(tmp_path))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert f"{there} is there, and nothing is overwritten" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SoftTargets", "cannot be the name of a loss"),
        ("a-b", "cannot be the name of a loss"),
        ("../up", "cannot be the name of a loss"),
        ("a" * 31, "at most 30 small letters"),
        ("lambda", "cannot be the name of a loss"),
        ("soft_targets", "a loss of kind 'soft_targets' already"),
        ("random", "a module 'random' already"),
    ],
)
def test_a_name_that_cannot_be(tmp_path: Path, name: str, told: str) -> None:
    """Ends in one line, and writes nothing."""
    outcome = call("loss", name, "--out", str(tmp_path / "new"))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert told in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
