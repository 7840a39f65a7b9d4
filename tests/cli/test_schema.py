"""`distillkit schema` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from distillkit.cli import app


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, ["schema", *arguments])


def test_a_run_file_s_schema_is_all_that_stdout_gets() -> None:
    """So that it can be redirected into a file."""
    outcome = call()
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["required"] == ["teacher", "student", "data", "loss", "epochs"]
    assert outcome.stderr == ""


def test_one_kind() -> None:
    """Alone; one that there is not ends in a line."""
    assert list(json.loads(call("dkd").stdout)["$defs"]) == ["Loss.dkd"]
    outcome = call("dkb")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "did you mean 'dkd'?" in outcome.stderr


def test_a_broken_plug_in_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is there; asked for, it is the error."""
    info = tmp_path / "schema_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: schema-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[distillkit.losses]\nbroken_for_a_test = no_such_module:Loss\n")
    monkeypatch.syspath_prepend(tmp_path)
    outcome = call()
    assert outcome.exit_code == 0
    assert "Loss.soft_targets" in json.loads(outcome.stdout)["$defs"]
    assert "broken_for_a_test" not in outcome.stdout
    assert "Left out: The plug-in 'broken_for_a_test' (no_such_module:Loss)" in outcome.stderr
    outcome = call("broken_for_a_test")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "could not be loaded" in outcome.stderr
