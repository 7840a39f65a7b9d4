"""What a run's folder gives back: the models as they were, and the data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from distillkit import Ensemble
from distillkit.errors import ConfigurationError
from distillkit.workbench.runs.code_file import code_file
from distillkit.workbench.runs.finished_run import FinishedRun
from distillkit.workbench.runs.run_config import RunConfig
from distillkit.workbench.runs.train import train_run

CODE = """
import torch
from torch import nn


def data():
    x = torch.randn(80, 4)
    return (x[:40], (x[:40, 0] > 0).long()), (x[40:], (x[40:, 0] > 0).long())


def net(units=8):
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))
"""
RUN = RunConfig.from_dict(
    {
        "teacher": {"kind": "function", "function": "net", "arguments": {"units": 16}},
        "student": {"kind": "function", "function": "net"},
        "data": {"kind": "function", "function": "data"},
        "loss": {"kind": "soft_targets", "temperature": 4},
        "epochs": 1,
        "precision": "fp32",
        "seed": 3,
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run, and its code beside it."""
    (tmp_path / "run_nets.py").write_text(CODE)
    with code_file(tmp_path / "run_nets.py") as code:
        train_run(RUN, tmp_path / "run", code=code)
    return tmp_path / "run"


@contextmanager
def opened(folder: Path) -> Iterator[FinishedRun]:
    """With its code."""
    with code_file(folder.parent / "run_nets.py") as code:
        yield FinishedRun(folder, code)


def test_the_student_is_the_trained_one_and_the_teacher_its_own(folder: Path) -> None:
    """On the evaluation data of the run, student and teacher say what the run's files say."""
    torch.manual_seed(7)  # which is no matter
    with opened(folder) as run:
        (large, small), alone, (x, y) = run.models(), run.student(), run.evaluation()
        first = run.examples(3)
    assert torch.equal(first, x[:3])
    metrics = json.loads((folder / "metrics.json").read_text())
    with torch.no_grad():
        student = small(x).argmax(dim=-1)
        assert torch.equal(alone(x), small(x))
        assert large is not None
        teacher = large(x).argmax(dim=-1)
    assert student.tolist() == np.load(folder / "predictions.npy").tolist()
    assert int((student != y).sum()) == metrics["test_errors"]
    assert int((teacher != y).sum()) == metrics["teacher_errors"]
    assert float((teacher == student).double().mean()) == metrics["teacher_agreement"]
    assert run.config == RUN


def test_code_that_has_changed_is_warned_of(folder: Path) -> None:
    """The models may be others than those that were trained."""
    (folder.parent / "run_nets.py").write_text(CODE.replace("nn.ReLU", "nn.Tanh"))
    with (
        pytest.warns(UserWarning, match=r"run_nets.py is not what it was when .*run was trained"),
        opened(folder),
    ):
        pass


def test_a_folder_that_is_no_finished_run_is_refused(folder: Path) -> None:
    """One that is empty, lacks a file, or was changed since."""
    with pytest.raises(ConfigurationError, match="holds no finished run"):
        FinishedRun(folder.parent)
    metrics = folder / "metrics.json"
    whole = metrics.read_text()
    metrics.write_text(whole + " ")
    with pytest.raises(ConfigurationError, match=r"not as it was written: metrics\.json"), opened(folder):
        pass
    metrics.unlink()
    with pytest.raises(ConfigurationError, match="holds no finished run"), opened(folder):
        pass


def test_without_its_code_a_run_says_what_is_missing(folder: Path) -> None:
    """It names a function."""
    with pytest.raises(ConfigurationError, match=r"add --code FILE\.py"):
        FinishedRun(folder).models()


def test_a_student_of_several_members_counts_them_as_it_did(tmp_path: Path) -> None:
    """Their shares are no weights that were trained; the files that they began with may be gone."""
    (tmp_path / "run_nets.py").write_text(CODE)
    nets = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(2)]
    members = []
    for number, net in enumerate(nets):
        torch.save(net.state_dict(), tmp_path / f"{number}.pt")
        members.append(
            {"kind": "function", "function": "net", "weights_file": str(tmp_path / f"{number}.pt")}
        )
    student = {"kind": "ensemble", "members": members, "average": "logits", "weights": [9, 1]}
    config = RunConfig.from_dict({**RUN.to_dict(), "student": student})
    with code_file(tmp_path / "run_nets.py") as code:
        train_run(config, tmp_path / "run", code=code)
        for number in range(2):
            (tmp_path / f"{number}.pt").unlink()
        found = FinishedRun(tmp_path / "run", code).student()
        x, _ = FinishedRun(tmp_path / "run", code).evaluation()
    assert isinstance(found, Ensemble)
    assert found.weights == (0.9, 0.1)
    with torch.no_grad():
        assert found(x).argmax(dim=-1).tolist() == np.load(tmp_path / "run/predictions.npy").tolist()
