"""Cost a student and step, and peak memory, as the stack grows; each size in a process of its own."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.fresh import in_fresh_process
from benchmarks.report_students import WIDTHS, together
from benchmarks.setting import Setting
from benchmarks.tables import number, spread_of, table, times
from distillkit.workbench import settle_precision

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TARGET = (30, 30)
"""A target speaks of thirty students of thirty units."""
STUDENT_STEPS = {30: 3000, 300: 1500, 800: 600}
"""About as many steps of all students together are timed, by width: large stacks would take hours."""
_STEPS_AN_EPOCH = 50


def measure(setting: Setting) -> dict[str, Any]:
    """For each width and size: milliseconds a student and step, alone and in the stack, and memory."""
    together()  # or it waits
    rows = []
    for width in WIDTHS[:1] if setting.quick else WIDTHS:
        for size, one_order in _sizes(width, quick=setting.quick):
            argument = {
                "hidden_units": width,
                "students": size,
                "one_order": one_order,
                "steps": 5 if setting.quick else max(4, min(_STEPS_AN_EPOCH, STUDENT_STEPS[width] // size)),
                "student_steps": 200 if setting.quick else STUDENT_STEPS[width],
                "rounds": setting.rounds,
                "device": str(setting.device),
                "precision": settle_precision("auto", setting.device),
                "threads": torch.get_num_threads(),
            }
            rows.append({**argument, **in_fresh_process("benchmarks.stack_child", argument)})
    return {"rows": rows}


def _sizes(width: int, *, quick: bool) -> list[tuple[int, bool]]:
    """Sizes, and whether all students see the data in one order, as those of a sweep's seed do."""
    if quick:
        return [(size, True) for size in SIZES[:3]]
    target = [(TARGET[1], one_order) for one_order in (True, False) if width == TARGET[0]]
    return sorted([*((size, True) for size in SIZES), *target], key=lambda row: (not row[1], row[0]))


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    head = (
        "D",
        "Students",
        "Order of the data",
        "Alone, ms a step",
        "Stacked, ms a student and step",
        "× alone",
        "Peak memory, MiB",
    )
    rows = []
    for row in results["rows"]:
        order = "one for all" if row["one_order"] else "each its own"
        names = [str(row["hidden_units"]), str(row["students"]), order]
        if "failed" in row:
            rows.append([*names, "", "", "", f"failed: {row['failed']}"])
            continue
        rows.append(
            [
                *names,
                spread_of(row["milliseconds_alone"]),
                spread_of(row["milliseconds_a_student"]),
                times(row["times_faster"]),
                f"{number(row['peak_bytes'] / 2**20)} ({number(row['peak_bytes_before'] / 2**20)} before)",
            ]
        )
    note = (
        "Batch 100, the report's loss and clipping, `stack_size` as many as there are students; what an "
        'epoch more costs, so without what is done once. "Alone" is `fit` of one of them in the same '
        "process. The peak is that of the process (on a GPU, of the tensors on it), and stands beside "
        "what it was before the students."
    )
    return f"{note}\n\n{table(head, rows)}"
