"""Killed without warning, again and again: the sweep ends as one that was never killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from distillkit.workbench import read_results

PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from distillkit.workbench.workers.observer import Silent
from distillkit.mnist.data.digits import make_stand_in
from distillkit.mnist.protocols.protocol import REPORT_2025, NetworkSpec
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.sweep import sweep
import pandas
small = REPORT_2025.model_copy(update={"teacher": NetworkSpec(hidden_units=(32, 32))}).with_epochs(3)
data = make_stand_in(n_train=300, n_test=200)
print("ready", flush=True)
sweep(small, RunContext(data, "report-2025", False, torch.device("cpu"), "fp32", Silent()), Path(sys.argv[1]),
      hidden_units=[8], temperatures=[2, 4], seeds=3)
print("done", flush=True)
"""
KILLS = 10


def start(folder: Path) -> subprocess.Popen[str]:
    """A sweep in a process of its own, past its imports."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finished(folder: Path) -> tuple[list[dict[str, Any]], float]:
    """The rows of a sweep that is let run to its end, without how long runs took; and its time."""
    began = time.monotonic()
    process = start(folder)
    ready = time.monotonic()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    rows = [{**row, "duration_s": 0} for row in read_results(folder)]
    return rows, time.monotonic() - max(ready, began)


def test_ten_sigkills_at_random_moments_lose_at_most_the_run_in_hand(tmp_path: Path) -> None:
    """The rows are the same, in the same order, and no line lacks its predictions."""
    expected, seconds = finished(tmp_path / "never killed")
    moments = random.Random(0)
    folder = tmp_path / "killed"
    for _ in range(KILLS):
        process = start(folder)
        time.sleep(moments.uniform(0, seconds / 3))
        process.kill()
        process.communicate()
    rows, _ = finished(folder)
    assert rows == expected
    assert {path.stem for path in (folder / "predictions").glob("*.npy")} == {row["id"] for row in rows}
