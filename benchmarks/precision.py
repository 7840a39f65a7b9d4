"""Whether bfloat16 reaches the errors of float32: the student of `one-student`, trained in both.

A pair has the same initial values, order of the data and teacher. The errors are on the test set.
"""

from __future__ import annotations

from typing import Any

from benchmarks.mnist_job import BATCH, make_job
from benchmarks.setting import Setting, Waits
from benchmarks.tables import number, table
from benchmarks.timing import Clock
from benchmarks.ways import ours
from distillkit.workbench.statistics.summaries import paired_test, summarise

SEEDS = 10
EPOCHS = 17
"""Enough work for `compile="auto"` to compile what it compiles in a whole training."""


def measure(setting: Setting) -> dict[str, Any]:
    """The errors of every seed, and the paired difference.

    Raises:
        Waits: There is one precision here.
    """
    if len(setting.precisions) == 1:
        raise Waits("a processor with instructions for bfloat16")
    job = make_job(setting)
    seeds, epochs = (2, 1) if setting.quick else (SEEDS, EPOCHS)
    errors: dict[str, list[int]] = {precision: [] for precision in setting.precisions}
    for seed in range(seeds):
        for precision in setting.precisions:
            student = ours.fit(job, seed, epochs, Clock(job.device), precision=precision)
            errors[precision].append(job.errors(student))
    single, half = setting.precisions
    test = paired_test(errors[half], errors[single])
    return {
        "images": len(job.train[1]),
        "epochs": epochs,
        "seeds": seeds,
        "errors": errors,
        "difference": {"mean": test.difference, "interval": test.interval, "p": test.p, "test": test.test},
    }


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    difference = results["difference"]
    low, high = difference["interval"] or (float("nan"), float("nan"))
    single, half = results["errors"]
    note = (
        f"{results['images']:,} images, batch {BATCH}, {results['epochs']} epochs, {results['seeds']} seeds."
    )
    rows = [
        [name, f"{summarise(each).mean:.1f}", " · ".join(number(one) for one in each)]
        for name, each in results["errors"].items()
    ]
    p = "none" if difference["p"] is None else f"{difference['p']:.2f}"
    says = (
        f"{half} makes {difference['mean']:+.1f} errors beside {single} "
        f"(95 % interval {low:+.1f} to {high:+.1f}; {difference['test']}, p = {p})."
    )
    return "\n\n".join([note, table(("Precision", "Mean test errors", "By seed"), rows), says])
