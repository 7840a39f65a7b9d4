"""`sweep`: students of several widths, temperatures and losses of one teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss, WeightedSum
from distillkit.mnist.cells.cell import Cell, baseline_cell, student_cell, teacher_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.jobs.job import run_job
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.mnist.reporting.report import OUTPUTS
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

    with ResultStore(folder, settings, may_differ=("seeds",), overwrite=overwrite, outputs=OUTPUTS) as store:
        return run_job(teacher_of, lambda seed: [[teacher_of(seed)], *stages], seeds, context, store)


def _losses(name: str, temperatures: Sequence[float], *, weighted: bool) -> list[tuple[str, Loss]]:
    """Return names and losses of one entry of `losses`; none for hard labels alone, every width's baseline.

    The plain sum goes without its name where it is the protocol's own loss, which is not `weighted`.
    """
    kinds = name.split("+")
    if kinds == ["hard_labels"]:
        return []
    if len(set(kinds)) < len(kinds):
        raise ConfigurationError(f"A loss can stand once in a sum, got {name!r}.")
    prefix = "" if name == PLAIN_SUM and not weighted else name
    if not any(with_temperature(kind, temperatures[0]) for kind in kinds):
        return [(prefix, _sum(kinds, {}))]
    return [
        (
            f"{prefix}-T{temperature:g}".removeprefix("-"),
            _sum(kinds, {kind: with_temperature(kind, temperature) for kind in kinds}),
        )
        for temperature in temperatures
    ]


def with_temperature(kind: str, temperature: float) -> dict[str, Any]:
    """Return the settings that give a loss, or the loss inside it, a temperature; none where it has none.

    Raises:
        ConfigurationError: The loss chooses its temperature itself.

    Example:
        >>> with_temperature("soft_targets", 4.0), with_temperature("mlkd", 4.0)
        ({'temperature': 4.0}, {'temperatures': [4.0]})
        >>> with_temperature("best_of", 20.0)
        {'loss': {'kind': 'soft_targets', 'temperature': 20.0}}
    """
    fields = Loss.kind_class(kind).model_fields
    if "temperature" in fields:
        return {"temperature": temperature}
    if "temperatures" in fields:
        return {"temperatures": [temperature]}
    inside = fields["loss"].get_default(call_default_factory=True) if "loss" in fields else None
    if isinstance(inside, WeightedSum):
        terms = {name: _at_temperature(term, temperature) for name, term in inside.terms.items()}
        return {"loss": {**inside.to_dict(), "terms": terms}}
    if isinstance(inside, Loss):
        return {"loss": _at_temperature(inside, temperature)}
    if own := [name for name in fields if "temperature" in name]:
        raise ConfigurationError(
            f"{kind} chooses its temperature itself ({', '.join(own)}), so --T cannot set it: leave {kind} "
            "out of --losses, and train it from a run file (distillkit train)."
        )
    return {}


def _at_temperature(loss: Loss, temperature: float) -> dict[str, Any]:
    return {**loss.to_dict(), **with_temperature(loss.kind_name(), temperature)}


def _sum(kinds: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> Loss:
    each = {kind: {"kind": kind, **settings.get(kind, {})} for kind in kinds}
    if len(each) == 1:
        return Loss.from_dict(each[kinds[0]])
    short = {"soft_targets": "soft", "hard_labels": "hard"}
    return Loss.from_dict(
        {"kind": "weighted_sum", "terms": {short.get(kind, kind): value for kind, value in each.items()}}
    )
