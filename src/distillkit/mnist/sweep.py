"""`sweep`: students of several widths, temperatures and losses of one teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.mnist.cells.cell import Cell, baseline_cell, student_cell, teacher_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.jobs.job import run_job
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.workbench import ResultStore

PLAIN_SUM = "soft_targets+hard_labels"
"""The report's loss."""


def sweep(
    protocol: Protocol,
    context: RunContext,
    folder: Path,
    *,
    hidden_units: Sequence[int],
    temperatures: Sequence[float],
    losses: Sequence[str] = (),
    seeds: int = 1,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Train the teacher, and for each width a baseline and a student for each loss and temperature.

    Args:
        protocol: Settings.
        context: Data, device, precision and who watches.
        folder: Where the results are kept; an interrupted sweep goes on there.
        hidden_units: Widths D, each ≥ 1.
        temperatures: T, each > 0, for the losses that have one.
        losses: Kinds of losses, or several joined by `+`, whose plain sum is meant; the protocol's own where
            empty.
        seeds: The seeds are 0 to `seeds` − 1.
        overwrite: Throw away what the folder holds.

    Returns:
        All results.

    Raises:
        ConfigurationError: A value is out of its range, a loss unknown, or the folder was made for another
            sweep.
    """
    widths = sorted(set(hidden_units))
    ascending = sorted({float(temperature) for temperature in temperatures})
    if not widths or min(widths) < 1:
        raise ConfigurationError(f"D must be at least 1, got {list(hidden_units)}.")
    if not ascending or not all(0 < temperature < float("inf") for temperature in ascending):
        raise ConfigurationError(f"T must be above 0 and finite, got {list(temperatures)}.")
    weighted = protocol.hard_label_weight is not None
    named = list(dict.fromkeys(losses or ([] if weighted else [PLAIN_SUM])))
    students = [loss for name in named for loss in _losses(name, ascending, weighted=weighted)]
    if not named:
        students = [(f"T{temperature:g}", protocol.student_loss(temperature)) for temperature in ascending]
    stages = [
        [
            baseline_cell(protocol, width),
            *(student_cell(protocol, width, loss, name) for name, loss in students),
        ]
        for width in widths
    ]
    settings = {
        "command": "sweep",
        "protocol": protocol.settings(),
        "hidden_units": widths,
        "temperatures": ascending,
        "losses": named,
        "data": {"name": context.data.name, "sha256": context.data.sha256},
        "precision": context.precision,
        "seeds": seeds,
    }

    def teacher_of(seed: int) -> Cell:
        return teacher_cell(protocol, seed, dropout=True)

    with ResultStore(folder, settings, may_differ=("seeds",), overwrite=overwrite) as store:
        return run_job(teacher_of, lambda seed: [[teacher_of(seed)], *stages], seeds, context, store)


def _losses(name: str, temperatures: Sequence[float], *, weighted: bool) -> list[tuple[str, Loss]]:
    """Names and losses of one entry of `losses`; none for hard labels alone, the baseline of every width.

    The plain sum goes without its name where it is the protocol's own loss, which is not `weighted`.
    """
    kinds = name.split("+")
    softened = [kind for kind in kinds if "temperature" in Loss.kind_class(kind).model_fields]
    if kinds == ["hard_labels"]:
        return []
    if len(set(kinds)) < len(kinds):
        raise ConfigurationError(f"A loss can stand once in a sum, got {name!r}.")
    prefix = "" if name == PLAIN_SUM and not weighted else name
    if not softened:
        return [(prefix, _sum(kinds, {}))]
    return [
        (
            f"{prefix}-T{temperature:g}".removeprefix("-"),
            _sum(kinds, {kind: {"temperature": temperature} for kind in softened}),
        )
        for temperature in temperatures
    ]


def _sum(kinds: Sequence[str], settings: dict[str, dict[str, float]]) -> Loss:
    each = {kind: {"kind": kind, **settings.get(kind, {})} for kind in kinds}
    if len(each) == 1:
        return Loss.from_dict(each[kinds[0]])
    short = {"soft_targets": "soft", "hard_labels": "hard"}
    return Loss.from_dict(
        {"kind": "weighted_sum", "terms": {short.get(kind, kind): value for kind, value in each.items()}}
    )
