"""`reproduce hinton-mnist`: every experiment of the papers under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distillkit.experiments import ResultStore
from distillkit.mnist.cells import (
    BiasCorrection,
    Cell,
    baseline_cell,
    distilled_cell,
    teacher_cell,
)
from distillkit.mnist.job import run_job
from distillkit.mnist.protocols import Protocol
from distillkit.mnist.runs import Laboratory
from distillkit.transfer_sets import OmitClasses, OnlyClasses

TEMPERATURES = (1.0, 2.0, 4.0, 10.0, 20.0, 50.0)

QUICK_EPOCHS = 3
QUICK_LEAVES_OUT = (
    f"{QUICK_EPOCHS} epochs instead of the protocol's, one seed",
    "no teacher without dropout",
    "of Figure 2 only D = 30 and 800 without distillation and at T = 4 and 20",
    "no bias correction chosen on held-out cases",
)


def reproduction_stages(protocol: Protocol, seed: int) -> list[list[Cell]]:
    """All cells of a seed, the teacher first, the quick and telling stages before the long ones."""
    return [
        [
            teacher_cell(protocol, seed, dropout=True),
            baseline_cell(protocol, 800),
            distilled_cell(protocol, 800, 20),
        ],
        _figure_2_cells(protocol, 30, TEMPERATURES),
        _transfer_cells(protocol, held_out=True),
        [teacher_cell(protocol, seed, dropout=False)],
        _figure_2_cells(protocol, 300, TEMPERATURES),
        [distilled_cell(protocol, 800, temperature) for temperature in TEMPERATURES if temperature != 20],
    ]


def quick_stages(protocol: Protocol, seed: int) -> list[list[Cell]]:
    """Enough to see every experiment at work in minutes."""
    return [
        [teacher_cell(protocol, seed, dropout=True)],
        *(_figure_2_cells(protocol, units, (4.0, 20.0)) for units in (800, 30)),
        _transfer_cells(protocol, held_out=False),
    ]


def _figure_2_cells(protocol: Protocol, units: int, temperatures: Sequence[float]) -> list[Cell]:
    return [baseline_cell(protocol, units), *(distilled_cell(protocol, units, each) for each in temperatures)]


def reproduce(
    protocol: Protocol, seeds: int, laboratory: Laboratory, folder: Path, *, overwrite: bool = False
) -> list[dict[str, Any]]:
    """Run every experiment of the papers, or go on where an earlier call stopped; return all results.

    Args:
        protocol: Settings; those of the command are shortened where the laboratory is quick.
        seeds: The seeds are 0 to `seeds` − 1.
        laboratory: Data, device, precision and who watches.
        folder: Where the results are kept.
        overwrite: Throw away what the folder holds.
    """
    if laboratory.quick:
        protocol = protocol.with_epochs(QUICK_EPOCHS)
    settings = {
        "command": "reproduce hinton-mnist",
        "protocol": protocol.settings(),
        "quick": laboratory.quick,
        "data": {"name": laboratory.data.name, "sha256": laboratory.data.sha256},
        "precision": laboratory.precision,
        "seeds": seeds,
    }
    stages = quick_stages if laboratory.quick else reproduction_stages
    with ResultStore(folder, settings, may_differ=("seeds",), overwrite=overwrite) as store:
        return run_job(lambda seed: stages(protocol, seed), seeds, laboratory, store)


def _transfer_cells(protocol: Protocol, *, held_out: bool) -> list[Cell]:
    without_3, only_7_and_8 = OmitClasses(classes=(3,)), OnlyClasses(classes=(7, 8))
    return [
        baseline_cell(protocol, 800, transfer_set=without_3, suffix="-omit3"),
        distilled_cell(
            protocol, 800, 20, transfer_set=without_3, suffix="-omit3",
            correction=BiasCorrection(classes=(3,), held_out=held_out),
        ),
        distilled_cell(
            protocol, 800, 20, transfer_set=only_7_and_8, suffix="-only78",
            correction=BiasCorrection(classes=(7, 8), held_out=held_out),
        ),
    ]  # fmt: skip
