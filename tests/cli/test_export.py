"""`distillkit export` as a person calls it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from distillkit.cli import app

CODE = """
import random

import torch
from torch import nn

print("nets.py was run")


def data():
    x = torch.randn(30, 4)
    y = (x[:, 0] > 0).long()
    return (x[:20], y[:20]), (x[20:], y[20:])


def net(units=3):
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))


class Drawing(nn.Module):
    def forward(self, x):
        return x * random.uniform(1, 2)


def drawing():
    return nn.Sequential(nn.Linear(4, 2), Drawing())
"""
RUN = """
teacher: null
student: {kind: function, function: net, arguments: {units: 5}, weights_file: begin.pt}
data: {kind: function, function: data}
loss: {kind: hard_labels}
epochs: 1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of models, a run file and weights to begin with."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE)
    (tmp_path / "run.yaml").write_text(RUN)
    begin = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    torch.save(begin.state_dict(), tmp_path / "begin.pt")
    return tmp_path


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, arguments)


def trained() -> None:
    """Leave a run in runs/run."""
    outcome = call("train", "run.yaml", "--code", "nets.py", "--quiet", "--precision", "fp32")
    assert outcome.exit_code == 0, outcome.output


def test_the_student_of_a_run(folder: Path) -> None:
    """With its trained weights, checked on the run's own data; what it began with is not needed."""
    trained()
    (folder / "begin.pt").unlink()
    outcome = call("export", "runs/run", "--code", "nets.py", "--out", "student.pt2")
    assert outcome.exit_code == 0, outcome.output
    assert "nets.py was run" not in outcome.stdout
    assert "input: batch × 4, float32" in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert 'torch.export.load("student.pt2").module()' in outcome.stderr.splitlines()[-1]
    student = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    student.load_state_dict(load_file(folder / "runs/run/student.safetensors"))
    inputs = torch.randn(9, 4)
    torch.testing.assert_close(torch.export.load("student.pt2").module()(inputs), student(inputs))
    source = json.loads((folder / "student.pt2.json").read_text())["source"]
    assert source["model"] == "runs/run"
    assert {"sha256 of nets.py", "sha256 of runs/run/student.safetensors"} <= set(source)


def test_inputs_of_a_shape_instead_of_the_data() -> None:
    """Which need not be there then; code that has changed is warned of."""
    trained()
    Path("nets.py").write_text(CODE.replace("def data():", "def other_data():"))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        outcome = call(
            "export", "runs/run", "--code", "nets.py", "--input", "4", "--out", "student.safetensors"
        )
    assert outcome.exit_code == 0, outcome.output
    assert "Warning: nets.py is not what it was when runs/run was trained." in outcome.stderr.splitlines()


def test_json_of_a_model_by_name(folder: Path) -> None:
    """All that the file beside says, and nothing else on stdout."""
    torch.save(
        torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).state_dict(),
        "w.pt",
    )
    outcome = call(
        "export", "nets.py:net", "--weights", "w.pt", "--input", "4", "--out", "out/net.safetensors", "--json"
    )
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout) == json.loads((folder / "out/net.safetensors.json").read_text())
    written, given = load_file("out/net.safetensors"), torch.load("w.pt", weights_only=True)
    assert all(torch.equal(one, given[name]) for name, one in written.items())


def test_a_model_of_torchvision(folder: Path) -> None:
    """By name it needs weights, and knows its inputs."""
    from torchvision import models

    assert "random weights" in call("export", "squeezenet1_1", "--out", "s.safetensors").stderr
    with torch.random.fork_rng(devices=[]):
        torch.save(models.squeezenet1_1().state_dict(), "s.pt")
    outcome = call("export", "squeezenet1_1", "--weights", "s.pt", "--out", "s.safetensors", "--json")
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["inputs"]["input"]["shape"] == ["batch", 3, 224, 224]


def test_a_file_that_answers_otherwise_ends_in_1() -> None:
    """And is not there."""
    outcome = call("export", "nets.py:drawing", "--input", "4", "--out", "drawing.pt2")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "answers a batch of 2 otherwise than the model" in outcome.stderr
    assert not Path("drawing.pt2").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nets.py:net", "--out", "n.pt2"], "give the shape of one example"),
        (["nets.py:net", "--input", "4", "--out", "n.tflite"], "got 'n.tflite'"),
        (
            ["nets.py:net", "--input", "4", "--code", "nets.py", "--out", "n.pt2"],
            "--code is for a run's folder",
        ),
        (["nets.py:net", "--input", "4", "--weights", "begin.pt", "--out", "n.pt2"], "are not of"),
        (["nets.py:net", "--input", "5", "--out", "n.pt2"], "cannot answer a batch of input [2, 5]"),
        (["nets.py:net", "--input", "4", "--out", "nets.py"], "got 'nets.py'"),
        (["nets.py:net", "--input", "4", "--out", "nets.py/n.pt2"], "nets.py is no folder"),
        (["runs/absent", "--out", "n.pt2"], "runs/absent names no function: write FILE.py:FUNCTION"),
        ([".", "--out", "n.pt2"], "holds no finished run"),
        ([".", "--weights", "begin.pt", "--out", "n.pt2"], "leave --weights out"),
        (["nets.py:net", "--input", "4"], "--out"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], told: str) -> None:
    """On stderr, with exit code 2."""
    outcome = call("export", *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert told in outcome.stderr
