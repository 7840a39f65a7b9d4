"""Start-up in fresh processes: the import, `--help`, and the time to the end of a first step."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from typing import Any

from benchmarks.setting import Setting
from benchmarks.tables import spread_of, table
from benchmarks.timing import interleaved, spread

_PARTS = """
import torch
from torch import nn
teacher, student = nn.Linear(20, 10), nn.Linear(20, 10)
images, labels = torch.randn(64, 20), torch.randint(10, (64,))
"""
_FIRST_STEP = f"""{_PARTS}
from distillkit import Distiller, losses
loss = losses.hinton(temperature=4, hard_label_weight=0.1)
optimizer = torch.optim.SGD(student.parameters(), lr=0.01)
Distiller(teacher=teacher, student=student, loss=loss, optimizer=optimizer).step((images, labels))
"""
_FIRST_STEP_BY_HAND = f"""{_PARTS}
import torch.nn.functional as F
optimizer = torch.optim.SGD(student.parameters(), lr=0.01)
with torch.no_grad():
    answers = teacher(images)
logits = student(images)
soft = F.kl_div(F.log_softmax(logits / 4, 1), F.softmax(answers / 4, 1), reduction="batchmean")
(0.1 * F.cross_entropy(logits, labels) + 0.9 * 16 * soft).backward()
optimizer.step()
"""
_HELP = "import sys; sys.argv = ['distillkit', '--help']; from distillkit.cli import main; main()"
PROGRAMS = {
    "Python alone": "pass",
    "`import distillkit`": "import distillkit",
    "`distillkit --help`": _HELP,
    "`import torch`": "import torch",
    "a first step by hand": _FIRST_STEP_BY_HAND,
    "a first `Distiller.step`": _FIRST_STEP,
}


def measure(setting: Setting) -> dict[str, Any]:
    """Seconds of each program, the interpreter's own start among them; one round before those that count."""
    rounds = 1 if setting.quick else 3 * setting.rounds
    ways = {name: partial(_run, program) for name, program in PROGRAMS.items()}
    interleaved(ways, 1)
    return {
        "rounds": rounds,
        "seconds": {name: spread(each) for name, each in interleaved(ways, rounds).items()},
    }


def _run(program: str, turn: int) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - began


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = [[name, spread_of(each, factor=1e3)] for name, each in results["seconds"].items()]
    note = f"Whole processes, files in the system's memory, {results['rounds']} rounds."
    return f"{note}\n\n{table(('Program', 'Milliseconds'), rows)}"
