"""`distillkit inspect` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from distillkit.cli import app

CODE = """
from torch import nn

print("nets.py was run")


def small():
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 64, 3))


def large():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 3))


def no_model():
    return 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE)
    return tmp_path


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, ["inspect", *arguments])


def test_a_table_of_the_modules() -> None:
    """With what is not in the number of multiply-adds; what the file prints is no part of it."""
    outcome = call("nets.py:small", "--input", "1", "8", "8")
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    text = " ".join(outcome.stdout.replace("│", " ").split())
    assert "0 Conv2d 2 × 8 × 8 20 1,152" in text
    assert "in all 407 1,536" in text
    assert "Not counted: Flatten (1), ReLU (1)." in text
    assert "nets.py was run" not in outcome.stdout
    assert "nets.py was run" in outcome.stderr


def test_a_second_model_suggests_layers() -> None:
    """As suggestions, in the form in which a loss takes them."""
    outcome = call("nets.py:large", "nets.py:small", "--input", "1", "8", "8")
    assert outcome.exit_code == 0, outcome.output
    assert "Suggested by size alone" in outcome.stdout
    assert 'layers: {"1": "1", "2": "2"}' in outcome.stdout


def test_json() -> None:
    """All that the tables say."""
    outcome = call("nets.py:large", "nets.py:small", "--input", "1", "8", "8", "--json")
    told = json.loads(outcome.stdout)
    large, small = told["models"]
    assert (small["model"], small["parameters"], small["multiply_adds"]) == ("nets.py:small", 407, 1536)
    assert large["layers"][0] == {
        "name": "0",
        "type": "Conv2d",
        "output": [8, 8, 8],
        "parameters": 80,
        "multiply_adds": 4608,
        "runs": 1,
    }
    assert told["suggested_pairs"][0]["student_output"] == [2, 8, 8]
    assert (
        json.loads(call("nets.py:small", "--input", "1", "8", "8", "--json").stdout)["suggested_pairs"]
        is None
    )


def test_a_model_of_torchvision_needs_no_shape() -> None:
    """`--depth` leaves out what is further inside."""
    outcome = call("squeezenet1_1", "--depth", "1")
    assert outcome.exit_code == 0, outcome.output
    assert "512 × 13 × 13" in outcome.stdout
    assert "features.0" not in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nets.py:small"], "give the shape of one example"),
        (["nets.py"], "nets.py:FUNCTION"),
        (["nets.py:smal", "--input", "1", "8", "8"], "did you mean 'small'?"),
        (["nets.py:no_model", "--input", "1", "8", "8"], "must return a torch.nn.Module, got int"),
        (
            ["nets.py:small", "--input", "1", "9", "9"],
            "nets.py:small cannot answer a batch of shape [2, 1, 9, 9]",
        ),
        (["nets.py:small", "--input", "1", "8", "0"], "sizes of at least 1"),
        (["missing.py:small", "--input", "4"], "missing.py is none"),
        (["resnet19"], "did you mean"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], told: str) -> None:
    """On stderr, with exit code 2."""
    outcome = call(*arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    error = outcome.stderr.removeprefix("nets.py was run\n")
    assert told in error
    assert error.count("\n") == 1
