"""`distillkit compare` as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from distillkit.cli import app

CODE = """
import torch
from torch import nn

print("two_nets.py was run")


def data():
    x = torch.randn(90, 4)
    y = (x[:, 0] > 0).long()
    return (x[:40], y[:40]), (x[40:], y[40:])


def large():
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))


def small(units=3):
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))


def images():
    return None, (torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 3]))


def nothing():
    return 3
"""
TEACHER = """
teacher: null
student: {kind: function, function: large}
data: {kind: function, function: data}
loss: {kind: hard_labels}
epochs: 1
precision: fp32
"""
STUDENT = """
teacher: {kind: function, function: large, weights_file: runs/teacher/student.safetensors}
student: {kind: function, function: small}
data: {kind: function, function: data}
loss: {kind: soft_targets, temperature: 4}
epochs: 1
precision: fp32
"""
BOTH = ("two_nets.py:large", "two_nets.py:small")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of models and data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two_nets.py").write_text(CODE)
    return tmp_path


def invoke(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, [*arguments])


def compare(*arguments: str) -> Result:
    """In a moment."""
    return invoke("compare", "--seconds", "0.002", "--device", "cpu", *arguments)


def told(*arguments: str) -> dict[str, Any]:
    """As JSON."""
    outcome = compare(*arguments, "--json")
    assert outcome.exit_code == 0, outcome.output
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def train(folder: Path) -> None:
    """A teacher, and a student that is distilled from it."""
    for name, text in (("teacher", TEACHER), ("student", STUDENT)):
        (folder / f"{name}.yaml").write_text(text)
        outcome = invoke("train", f"{name}.yaml", "--code", "two_nets.py", "--device", "cpu", "--quiet")
        assert outcome.exit_code == 0, outcome.output


def test_two_models_without_data() -> None:
    """A table of sizes and speed on stdout, and what it was measured on; what the file prints is no part."""
    outcome = compare(*BOTH, "--input", "4", "--batch-size", "5", "--precision", "fp32")
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    text = " ".join(outcome.stdout.replace("│", " ").split())
    assert "Parameters 226 23 9.83 ×" in text
    assert "Multiply-adds 192 18 10.7 ×" in text
    assert "in batches of 5" in text
    assert f"{torch.get_num_threads()} thread" in text
    assert f"fp32, torch {torch.__version__}" in text
    assert "Not in the multiply-adds of the teacher: ReLU (1)." in text
    assert "Errors" not in text
    assert "two_nets.py was run" not in outcome.stdout
    assert outcome.stderr.count("two_nets.py was run") == 1


def test_a_run_of_train_is_compared_on_its_own_data(folder: Path) -> None:
    """With the numbers that the run itself found, in its precision."""
    train(folder)
    found = told("runs/student", "--code", "two_nets.py")
    metrics = json.loads((folder / "runs/student/metrics.json").read_text())
    answers = found["answers"]
    assert answers["cases"] == metrics["cases"] == 50
    assert answers["student"]["test_errors"] == metrics["test_errors"]
    assert answers["student"]["ece"] == pytest.approx(metrics["ece"], abs=1e-6)
    assert answers["teacher"]["test_errors"] == metrics["teacher_errors"]
    assert answers["shared_errors"] == metrics["shared_errors"]
    assert answers["teacher_agreement"] == metrics["teacher_agreement"]
    assert found["measured_on"]["precision"] == "fp32"
    assert found["student"]["file_bytes"] == (folder / "runs/student/student.safetensors").stat().st_size


def test_two_models_with_weights_and_data_are_the_same_as_the_run(folder: Path) -> None:
    """Weights as safetensors or as a state dict of torch; data from a function."""
    train(folder)
    torch.save(load_file("runs/teacher/student.safetensors"), "teacher.pt")
    weights = ("--teacher-weights", "teacher.pt", "--student-weights", "runs/student/student.safetensors")
    named = told(*BOTH, *weights, "--data", "two_nets.py:data", "--precision", "fp32")
    of_run = told("runs/student", "--code", "two_nets.py")
    assert named["answers"] == of_run["answers"]
    assert named["compared"] == {"teacher": BOTH[0], "student": BOTH[1]}
    assert of_run["compared"] == {"run": "runs/student"}


def test_answers_are_a_table_of_their_own(folder: Path) -> None:
    """Beside the first, also at 80 columns."""
    outcome = compare(*BOTH, "--data", "two_nets.py:data")
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    for part in ("On 50 cases", "Errors of its own", "Expected calibration error", "McNemar test"):
        assert part in outcome.stdout


def test_a_figure(folder: Path) -> None:
    """Where `--out` says; the last line says so too."""
    outcome = compare(*BOTH, "--data", "two_nets.py:data", "--out", "here/gained.png", "--quiet")
    assert outcome.exit_code == 0, outcome.output
    assert (folder / "here/gained.png").read_bytes().startswith(b"\x89PNG")
    assert outcome.stderr.splitlines()[-1] == "Figure: here/gained.png"
    assert "Measuring" not in outcome.stderr


def test_a_model_of_torchvision_needs_no_shape_and_is_warned_of_with_data() -> None:
    """Its weights are random."""
    names = ("squeezenet1_1", "squeezenet1_1")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        outcome = compare(*names, "--data", "two_nets.py:images", "--batch-size", "1", "--json")
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["teacher"]["parameters"] == 1_235_496
    warned = [line for line in outcome.stderr.splitlines() if line.startswith("Warning:")]
    assert len(warned) == 2
    assert "random weights" in warned[0]
    assert "--teacher-weights" in warned[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["two_nets.py:large"], "There is no folder two_nets.py:large of a run"),
        (["two_nets.py:large", "--input", "4"], "There is no folder two_nets.py:large of a run"),
        (["."], "holds no finished run"),
        ([".", "--data", "two_nets.py:data"], "leave --data out"),
        ([".", "--teacher-weights", "a.pt"], "leave --teacher-weights out"),
        ([".", "--input", "4"], "leave --input out"),
        ([*BOTH, "--input", "4", "--code", "two_nets.py"], "leave --code out"),
        ([*BOTH, "--input", "4", "--data", "two_nets.py:data"], "leave --input out"),
        (BOTH, "give the shape of one example"),
        ([*BOTH, "--input", "5"], "The teacher cannot answer a batch of shape [2, 5]"),
        ([*BOTH, "--data", "MNIST"], "FILE.py:FUNCTION, got 'MNIST'"),
        ([*BOTH, "--data", "two_nets.py:nothing"], "must return (train, evaluation), got int"),
        ([*BOTH, "--data", "two_nets.py:dat"], "did you mean 'data'?"),
        (["two_nets.py", "two_nets.py:small", "--input", "4"], "two_nets.py:FUNCTION"),
        ([*BOTH, "--input", "4", "--student-weights", "absent.pt"], "no weights_file absent.pt"),
        ([*BOTH, "--input", "4", "--out", "gained.jpg"], "a .png or an .svg, got gained.jpg"),
        ([*BOTH, "--input", "4", "--device", "cuda:99"], "no device 'cuda:99'"),
        ([*BOTH, "--input", "4", "--out", "two_nets.py/gained.png"], "two_nets.py is no folder"),
        (["resnet19", "resnet18"], "did you mean"),
        (["runs/student", "resnet18"], "runs/student names no function: write FILE.py:FUNCTION"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], message: str) -> None:
    """On stderr, with exit code 2."""
    outcome = compare(*arguments, "--quiet")
    assert (outcome.exit_code, outcome.stdout) == (2, ""), outcome.output
    error = outcome.stderr.removeprefix("two_nets.py was run\n")
    assert message in error
    assert error.count("\n") == 1


def test_a_student_without_a_teacher_has_nothing_to_be_compared_with(folder: Path) -> None:
    """The teacher's own run."""
    train(folder)
    outcome = compare("runs/teacher", "--code", "two_nets.py")
    assert outcome.exit_code == 2
    assert "had no teacher" in outcome.stderr


def test_the_module_is_light() -> None:
    """`distillkit --help` imports it, and must not wait for torch or matplotlib."""
    program = (
        "import sys; import distillkit.cli\n"
        "print(sorted({'torch', 'matplotlib', 'numpy', 'distillkit.workbench'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
