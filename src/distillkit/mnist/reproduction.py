"""`reproduce hinton-mnist`: every experiment of the papers under one protocol, or some of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from distillkit.mnist.cells.cell import Cell, teacher_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.experiments.catalogue import experiment_names
from distillkit.mnist.jobs.experiment_unit import ExperimentUnit
from distillkit.mnist.jobs.job import run_job
from distillkit.mnist.jobs.run_ids import Identities
from distillkit.mnist.plan import chosen_experiments, experiments_of, quick_stages, reproduction_stages
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.mnist.reporting.report import OUTPUTS
from distillkit.workbench import SETTINGS, ResultStore, read_settings

QUICK_EPOCHS = 3
QUICK_LEAVES_OUT = (
    f"{QUICK_EPOCHS} epochs instead of the protocol's, one seed",
    "of the grid only D = 30 and 800 without distillation and at T = 4 and 20",
    "no bias correction chosen on held-out cases",
    "no teacher without dropout, no unlabelled images, no ensemble, none of H9, H10, H13 and H14",
)


def reproduce(
    protocol: Protocol,
    seeds: int,
    context: RunContext,
    folder: Path,
    *,
    only: Collection[str] = (),
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Run the experiments of the papers, or go on where an earlier call stopped; return all runs' results.

    Args:
        protocol: Settings; those of the command are shortened where the context is quick.
        seeds: The seeds are 0 to `seeds` − 1.
        context: Data, device, precision and who watches.
        folder: Where the results are kept.
        only: Ids of the experiments to run, with what they depend on; all where empty.
        overwrite: Throw away what the folder holds.

    Raises:
        ConfigurationError: An experiment is unknown, or the folder was made with other settings.
    """
    chosen = chosen_experiments(protocol, only)
    if context.quick:
        protocol = protocol.with_epochs(QUICK_EPOCHS)
    so_far = set() if overwrite else _asked_for(folder, protocol)
    asked = tuple(one for one in experiments_of(protocol) if one in so_far or one in chosen)
    settings = {
        "command": "reproduce hinton-mnist",
        "protocol": protocol.settings(),
        "quick": context.quick,
        "data": {"name": context.data.name, "sha256": context.data.sha256},
        "precision": context.precision,
        "seeds": seeds,
        **({"only": asked} if asked != experiments_of(protocol) else {}),
    }

    def stages_of(seed: int) -> list[list[Cell]]:
        return quick_stages(protocol, seed) if context.quick else reproduction_stages(protocol, seed, chosen)

    names = () if context.quick else experiment_names(protocol, chosen)

    def further(seed: int, identities: Identities) -> list[ExperimentUnit]:
        return [ExperimentUnit(name, protocol, seed, identities, context) for name in names]

    with ResultStore(
        folder, settings, may_differ=("seeds", "only"), overwrite=overwrite, outputs=OUTPUTS
    ) as store:
        return run_job(
            lambda seed: teacher_cell(protocol, seed, dropout=True),
            stages_of,
            seeds,
            context,
            store,
            further=further,
        )


def _asked_for(folder: Path, protocol: Protocol) -> set[str]:
    """The experiments that earlier calls asked for in a folder: all, unless its settings name some."""
    if not (folder / SETTINGS).exists():
        return set()
    return set(read_settings(folder).get("only", experiments_of(protocol)))
