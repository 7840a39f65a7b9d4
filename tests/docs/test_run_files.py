"""The page on run files: its example runs, and its tables are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from distillkit.cli import train
from distillkit.cli.commands import Commands
from distillkit.workbench.runs.data_sources import DataSource
from distillkit.workbench.runs.model_sources import ModelSource
from distillkit.workbench.runs.optimizers import Optimizer, Schedule
from distillkit.workbench.runs.run_config import RunConfig, read_run_file

PAGE = (Path(__file__).parents[2] / "docs" / "run-files.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the page's files in it."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_complete_example_runs(folder: Path) -> None:
    """Both commands end well, and the student has learnt the class that it never saw from the teacher."""
    app = typer.Typer(cls=Commands)
    app.command("train")(train.train)
    app.callback()(lambda: None)
    commands = re.findall(r"^distillkit (train .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        outcome = CliRunner().invoke(app, command.split())
        assert outcome.exit_code == 0, outcome.output
    teacher = json.loads((folder / "runs/teacher/metrics.json").read_text())
    student = json.loads((folder / "runs/run/metrics.json").read_text())
    assert teacher["test_errors"] < 0.1 * teacher["cases"]
    assert student["test_errors"] < 0.35 * student["cases"]


def test_the_example_in_python_runs(folder: Path) -> None:
    """What the page says of Python is a program."""
    run_file = FILES["run.yaml"].replace("  weights_file: runs/teacher/student.safetensors\n", "")
    (folder / "run.yaml").write_text(run_file.replace("epochs: 10", "epochs: 1"))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "run-files.md", "exec"), {})
    assert (folder / "runs/from-python/metrics.json").exists()


def test_every_run_file_on_the_page_can_be_read(folder: Path) -> None:
    """Also the one that needs a download to run."""
    names = [name for name in FILES if name.endswith(".yaml")]
    assert len(names) == 3
    for name in names:
        config = read_run_file(folder / name)
        assert RunConfig.from_yaml(config.to_yaml()) == config


def test_the_tables_name_every_field_and_kind() -> None:
    """A field that is added to a run file is added to the page."""
    for name in RunConfig.model_fields:
        assert f"| `{name}` |" in PAGE, name
    families = {"model": ModelSource, "data": DataSource, "optimiser": Optimizer, "schedule": Schedule}
    for part, family in families.items():
        rows = [line for line in PAGE.splitlines() if line.startswith(f"| {part} |")]
        for kind in family.kinds():
            fields = set(family.kind_class(kind).model_fields) - {"kind"}
            row = " ".join(line for line in rows if f"`{kind}`" in line)
            assert fields <= set(re.findall(r"`(\w+)`", row)), (kind, fields)
