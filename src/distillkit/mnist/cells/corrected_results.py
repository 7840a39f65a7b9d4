"""The results of a run after its biases are corrected, and the run that chooses a correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distillkit import Distiller, metrics
from distillkit.mnist.cells.bias_correction import (
    GRID,
    best_shift,
    errors_by_shift,
    prior_matching_shift,
    shifted,
)
from distillkit.mnist.cells.cell import HELD_OUT, LABEL_FREE, TEST_TUNED, Cell, held_out
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.run_record import Kept, beside


def corrected_config(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The configuration of a run's result after a correction of its biases."""
    return {**config, "name": f"{config['name']}-bias-{kind}", "correction": kind}


def chosen_on_held_out(distiller: Distiller, cell: Cell, seed: int, context: RunContext) -> dict[str, Any]:
    """The shift that is best on the training cases that a run never saw."""
    images, labels = context.train(cell)
    numbers = held_out(labels, seed).nonzero().flatten()
    errors = errors_by_shift(distiller.logits(images[numbers]), labels[numbers], cell.chooses_shift_of)
    return {
        "kind": "chosen-on-held-out",
        "classes": list(cell.chooses_shift_of),
        "shift": best_shift(errors),
        "parent": None,
    }


def corrected_results(
    distiller: Distiller,
    cell: Cell,
    line: Mapping[str, Any],
    context: RunContext,
    held_out_shift: float | None,
) -> list[Kept]:
    """The run's results after each of the corrections that its cell asks for."""
    if cell.correction is None:
        return []
    classes = cell.correction.classes
    images, labels = context.test(cell)
    logits = distiller.logits(images)
    training_logits = distiller.logits(context.train(cell)[0])
    errors = errors_by_shift(logits, labels, classes)
    shifts = {TEST_TUNED: best_shift(errors)}
    if held_out_shift is not None:
        shifts[HELD_OUT] = held_out_shift
    shifts[LABEL_FREE] = prior_matching_shift(training_logits, classes)
    kept = []
    for kind, shift in shifts.items():
        correction = {"kind": kind, "classes": list(classes), "shift": round(shift, 4), "parent": line["id"]}
        if kind == TEST_TUNED:
            correction["errors_by_shift"] = {"shifts": GRID, "test_errors": errors}
        config = corrected_config(line["config"], kind)
        evaluation = metrics.evaluate_logits(shifted(logits, classes, shift), labels)
        kept.append(beside(line, config, evaluation, correction=correction, tuned_on_test=kind == TEST_TUNED))
    return kept
