"""Experiments of several networks in a job: after their teacher, once a seed, kept and gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.experiments import runs as experiment_runs
from distillkit.mnist.jobs import job
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import MODERN
from distillkit.mnist.reproduction import reproduce
from distillkit.workbench import read_experiments
from distillkit.workbench.workers.observer import Silent
from distillkit.workbench.workers.processes import cpu_threads

SMALL = MODERN.model_copy(
    update={"teacher": NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))}
).with_epochs(1)
ONLY = ("H9", "dark-knowledge")
NAMES = ["t-squared", "hard-weight", "dark-knowledge"]


class Watching(Silent):
    """Remembers runs, and how far each was."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.far: dict[str, list[float]] = {}

    def runs_started(self, runs: Sequence[str], epochs: int) -> None:
        """Those that begin."""
        self.started += runs

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """How far it is."""
        self.far.setdefault(run, []).append(epoch + share_of_epoch)

    def run_ended(self, run: str, result: Any) -> None:
        """Those that end."""
        self.ended.append(run)


@pytest.fixture(autouse=True)
def _narrow_students(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_runs, "WIDTH", 8)


def run_context(data: MnistData, observer: Silent | None = None) -> RunContext:
    """Few digits on the CPU."""
    return RunContext(data, "modern", False, torch.device("cpu"), "fp32", observer or Silent())


def comparable(folder: Path) -> list[dict[str, Any]]:
    """A folder's experiments in an order of their own, without how long they took."""
    return sorted(
        ({**line, "duration_s": 0} for line in read_experiments(folder)), key=lambda line: line["id"]
    )


def test_they_follow_their_teacher_once_a_seed(few_digits: MnistData, tmp_path: Path) -> None:
    """The same call again runs nothing; another seed is added."""
    watching = Watching()
    runs = reproduce(SMALL, 1, run_context(few_digits, watching), tmp_path, only=ONLY)
    assert [row["name"] for row in runs] == ["teacher"]
    assert watching.started == watching.ended == [f"{name}, seed 0" for name in ["teacher", *NAMES]]
    lines = read_experiments(tmp_path)
    assert [line["name"] for line in lines] == NAMES
    assert {line["config"]["teacher"] for line in lines} == {runs[0]["id"]}
    far = watching.far["hard-weight, seed 0"]
    assert far == sorted(far)
    assert 10 < far[-1] < 11  # of eleven students of one epoch
    again = Watching()
    reproduce(SMALL, 2, run_context(few_digits, again), tmp_path, only=ONLY)
    assert again.started == [f"{name}, seed 1" for name in ["teacher", *NAMES]]
    assert read_experiments(tmp_path)[:3] == lines


def test_side_by_side_they_are_the_same(
    few_digits: MnistData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes, which have the widths of the module as it is: so of experiments that train no student."""
    monkeypatch.setattr(job, "SECONDS_THAT_PAY", 0.0)
    only = ("dark-knowledge",)
    reproduce(SMALL, 2, replace(run_context(few_digits), at_once=2), tmp_path / "2", only=only)
    with cpu_threads(read_experiments(tmp_path / "2")[0]["environment"]["threads"]):
        reproduce(SMALL, 2, run_context(few_digits), tmp_path / "1", only=only)
    assert comparable(tmp_path / "2") == comparable(tmp_path / "1")
    assert len(comparable(tmp_path / "2")) == 2
