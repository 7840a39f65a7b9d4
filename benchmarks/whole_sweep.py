"""The report's sweep from its first to its last epoch, with one seed and with ten; for a GPU."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report_students import TEMPERATURES, WIDTHS
from benchmarks.setting import Setting
from benchmarks.tables import number, table
from benchmarks.timing import seconds
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData, load_mnist
from distillkit.mnist.protocols.protocol import REPORT_2025
from distillkit.mnist.sweep import sweep
from distillkit.workbench import settle_precision
from distillkit.workbench.workers.observer import Silent

RUNS = {"first": 1, "again": 1, "ten seeds": 10}
"""The first compiles what is compiled."""


def measure(setting: Setting) -> dict[str, Any]:
    """Seconds of each, and the errors that the students ended with."""
    data = load_mnist(setting.data_dir, allow_stand_in=False, allow_download=False)
    taken: dict[str, float] = {}
    errors: dict[str, list[int]] = {}

    def run(seeds: int) -> None:
        for line in run_sweep(data, setting, seeds=seeds):
            errors.setdefault(line["name"], []).append(line["test_errors"])

    for name, seeds in RUNS.items():
        taken[name] = seconds(partial(run, seeds), setting.device)
    return {
        "epochs": epochs_of(setting),
        "precision": settle_precision("auto", setting.device),
        "seconds": taken,
        "test_errors": errors,
    }


def epochs_of(setting: Setting) -> int:
    """Of teacher and students."""
    return 1 if setting.quick else REPORT_2025.student_training.epochs


def run_sweep(data: MnistData, setting: Setting, *, seeds: int = 1) -> list[dict[str, Any]]:
    """The sweep as the command makes it, in a folder that is thrown away; its results."""
    context = RunContext(
        data,
        REPORT_2025.name,
        setting.quick,
        setting.device,
        settle_precision("auto", setting.device),
        Silent(),
        at_once=None,
    )
    with tempfile.TemporaryDirectory() as folder:
        return sweep(
            REPORT_2025.with_epochs(epochs_of(setting)),
            context,
            Path(folder) / "sweep",
            hidden_units=WIDTHS,
            temperatures=[temperature for temperature in TEMPERATURES if temperature is not None],
            seeds=seeds,
        )


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = [[name, number(taken)] for name, taken in results["seconds"].items()]
    note = f"{results['epochs']} epochs, a teacher and 21 students a seed, {results['precision']}."
    return f"{note}\n\n{table(('Sweep', 'Seconds'), rows)}"
