"""Milliseconds of a step of MNIST's trainings on a GPU: updates as they are, and as CUDA graphs."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from benchmarks.setting import Setting, Waits
from benchmarks.tables import number, table, times
from benchmarks.timing import ratio, spread
from distillkit import fit_together
from distillkit.errors import DivergenceError
from distillkit.mnist.cells import runs
from distillkit.mnist.cells.cell import Cell, baseline_cell, distilled_cell, teacher_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.runs import distiller_for
from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.plan import TEMPERATURES
from distillkit.mnist.protocols.protocol import MODERN
from distillkit.workbench import settle_precision
from distillkit.workbench.workers.observer import Silent

MODES = ("off", "graphs")
_SHORT = MODERN.with_epochs(3)
"""The last epoch is timed: the first also records."""


def measure(setting: Setting) -> dict[str, Any]:
    """Each training in both modes in turn.

    Raises:
        Waits: There is no GPU here.
    """
    if setting.device.type != "cuda":
        raise Waits("a GPU")
    data = load_mnist(setting.data_dir, allow_stand_in=False, allow_download=False)
    precision = settle_precision("auto", setting.device)
    context = RunContext(data, MODERN.name, False, setting.device, precision, Silent())
    rows = []
    for name, cells in _trainings().items():
        seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
        for _ in range(setting.rounds):
            for mode in MODES:
                seconds[mode].append(_last_epoch(cells, context, mode))
        steps = -(-len(data.train_labels) // cells[0].training.batch_size)
        rows.append(
            {
                "training": name,
                **{mode: spread([1000 * one / steps for one in seconds[mode]]) for mode in MODES},
                "times_faster": ratio(seconds["off"], seconds["graphs"]),
            }
        )
    return {"precision": precision, "rows": rows}


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = [
        (
            row["training"],
            *(number(row[mode]["median"]) for mode in MODES),
            times(row["times_faster"]),
        )
        for row in results["rows"]
    ]
    head = ("Training", "As it is, ms a step", "Recorded, ms a step", "× as it is")
    return f"{table(head, rows)}\n\nWith the evaluation after each epoch, {results['precision']}."


def _trainings() -> dict[str, list[Cell]]:
    hard, soft = baseline_cell(_SHORT, 800), distilled_cell(_SHORT, 800, 20)
    grid = [hard, *(distilled_cell(_SHORT, 800, temperature) for temperature in TEMPERATURES)]
    return {
        "teacher, 1200-1200, batch 512, dropout, jitter": [teacher_cell(_SHORT, 0, dropout=True)],
        "a student, D = 800, batch 256": [soft],
        "two of them, stacked": [hard, soft],
        "thirteen of them, stacked": grid,
    }


def _last_epoch(cells: list[Cell], context: RunContext, mode: str) -> float:
    """Seconds of it, of all students together."""
    teacher = teacher_cell(_SHORT, 0, dropout=True).network.build(0).to(context.device)
    # the job's own mode is no setting
    with patch.object(runs, "compile_mode", lambda device: mode):
        distillers = [distiller_for(cell, 0, context, teacher) for cell in cells]
    histories = fit_together(
        distillers,
        context.train(cells[0]),
        epochs=cells[0].training.epochs,
        batch_size=cells[0].training.batch_size,
        evaluate_on=context.test(cells[0]),
        stack_size=len(cells),
    )
    return sum(
        float(history.attrs["seconds"][-1])
        for history in histories
        if not isinstance(history, DivergenceError)
    )
