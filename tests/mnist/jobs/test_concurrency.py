"""Runs in processes side by side: the same results as one after another, on as many threads each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.jobs import job
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import MODERN, REPORT_2025
from distillkit.mnist.reproduction import reproduce
from distillkit.mnist.sweep import sweep
from distillkit.workbench import read_results
from distillkit.workbench.workers.observer import Silent
from distillkit.workbench.workers.processes import cpu_threads

TEACHER = NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _always_in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SECONDS_THAT_PAY", 0.0)


def run_context(data: MnistData, observer: Silent | None = None) -> RunContext:
    """Few digits on the CPU, one after another."""
    return RunContext(data, "modern", False, torch.device("cpu"), "fp32", observer or Silent())


def comparable(rows: Rows) -> Rows:
    """The rows in an order of their own, without how long they took."""
    return sorted(({**row, "duration_s": 0} for row in rows), key=lambda row: str(row["id"]))


class Watching(Silent):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.at_once = 0
        self.started: list[str] = []
        self.ended: list[str] = []
        self.epochs: dict[str, list[int]] = {}

    def planned(self, costs: Any, finished: Any, at_once: int) -> None:
        """How many go on."""
        self.at_once = at_once

    def runs_started(self, runs: Sequence[str], epochs: int) -> None:
        """Those that begin."""
        self.started += runs

    def epoch_ended(self, run: str, row: Any) -> None:
        """Every epoch."""
        self.epochs.setdefault(run, []).append(row["epoch"])

    def run_ended(self, run: str, result: Any) -> None:
        """Those that end."""
        self.ended.append(run)


def test_a_sweep_is_the_same_to_the_bit(few_digits: MnistData, tmp_path: Path) -> None:
    """And whoever watches is told of every run and epoch."""
    small = REPORT_2025.model_copy(update={"teacher": TEACHER}).with_epochs(2)
    what: dict[str, Any] = {"hidden_units": [8, 12], "temperatures": [2.0], "seeds": 2}
    watching = Watching()
    together = sweep(small, replace(run_context(few_digits, watching), at_once=2), tmp_path / "2", **what)
    with cpu_threads(together[0]["environment"]["threads"]):
        alone = sweep(small, run_context(few_digits), tmp_path / "1", **what)
    assert comparable(together) == comparable(alone)
    assert watching.at_once == 2
    assert len(watching.started) == len(together) == 10
    assert set(watching.started) == set(watching.ended)
    assert watching.epochs == {run: [1, 2] for run in watching.ended}


def test_what_waits_for_others_waits(few_digits: MnistData, tmp_path: Path) -> None:
    """Corrected runs for the runs that choose their shifts, students of ten nets for all ten."""
    small = MODERN.model_copy(update={"teacher": TEACHER}).with_epochs(1)
    only = ["H5", "H6", "H12"]
    context = replace(run_context(few_digits), at_once=2)
    together = reproduce(small, 1, context, tmp_path / "2", only=only)
    with cpu_threads(together[0]["environment"]["threads"]):
        alone = reproduce(small, 1, run_context(few_digits), tmp_path / "1", only=only)
    assert comparable(together) == comparable(alone)
    # a teacher that was lost is trained again before the run that it is needed for
    for file in (tmp_path / "2" / "teachers").iterdir():
        file.unlink()
    lines = (tmp_path / "2" / "results.jsonl").read_bytes().splitlines(keepends=True)
    lost = next(number for number, row in enumerate(together) if row["name"] == "D800-T20-omit3")
    (tmp_path / "2" / "results.jsonl").write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    assert comparable(reproduce(small, 1, context, tmp_path / "2", only=only)) == comparable(alone)


PROGRAM = """
import signal, sys
from pathlib import Path
import torch
from distillkit.workbench.workers.observer import Silent
from distillkit.mnist.jobs import job
from distillkit.mnist.data.digits import make_stand_in
from distillkit.mnist.protocols.protocol import REPORT_2025, NetworkSpec
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.sweep import sweep

class Watching(Silent):
    def epoch_ended(self, run, row):
        print(run, flush=True)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job ignores
    job.SECONDS_THAT_PAY = 0.0
    epochs, data = int(sys.argv[2]), make_stand_in(n_train=300, n_test=200)
    small = REPORT_2025.model_copy(update={"teacher": NetworkSpec(hidden_units=(32, 32))}).with_epochs(epochs)
    cpu = torch.device("cpu")
    context = RunContext(data, "report-2025", False, cpu, "fp32", Watching(), at_once=2)
    sweep(small, context, Path(sys.argv[1]), hidden_units=[8, 12, 16], temperatures=[2, 4], seeds=1)
"""


def start(folder: Path, epochs: int) -> subprocess.Popen[str]:
    """A sweep in processes, and its parent."""
    program = folder.parent / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), str(folder), str(epochs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    """However it ends, and soon; what was finished is kept."""
    process = start(tmp_path / "out", 100_000)
    assert process.stdout is not None
    assert process.stdout.readline()
    group = os.getpgid(process.pid)
    process.send_signal(number)
    process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _is_there(group):
        time.sleep(0.1)
    assert not _is_there(group)
    assert read_results(tmp_path / "out") == []


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
