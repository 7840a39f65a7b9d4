"""A job: cells times seeds, in one folder of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from distillkit.experiments import ResultStore, config_id, write_atomically
from distillkit.mnist.cells import Cell, tuning_cell
from distillkit.mnist.runs import Kept, Laboratory, run_config, run_name, train_cells
from distillkit.mnist.stacks import stacks_of

Stages = Sequence[Sequence[Cell]]


def run_job(
    stages_of: Callable[[int], Stages], seeds: int, laboratory: Laboratory, store: ResultStore
) -> list[dict[str, Any]]:
    """Train what is not yet in the store, stage by stage, each with every seed; return all results.

    Args:
        stages_of: The cells of a seed, in stages; the very first is the teacher of all others.
        seeds: The seeds are 0 to `seeds` − 1.
        laboratory: Data, device, precision and who watches.
        store: Opened for writing.
    """
    job = _Job(stages_of, seeds, laboratory, store)
    planned = [(seed, cell) for seed, cells in job.plan for cell in cells]
    laboratory.observer.planned(
        {run_name(cell.name, seed): _cost(cell) for seed, cell in planned},
        frozenset(run_name(cell.name, seed) for seed, cell in planned if job.line(cell, seed) is not None),
    )
    for seed, cells in job.plan:
        # a stack whole, so that what a kill left of it does not change the others' last digits
        if any(job.line(cell, seed) is None for cell in cells):
            job.run(cells, seed)
    return store.results


class _Job:
    """The runs of a job, and the teachers trained so far."""

    def __init__(
        self, stages_of: Callable[[int], Stages], seeds: int, laboratory: Laboratory, store: ResultStore
    ) -> None:
        self._laboratory, self._store = laboratory, store
        by_seed = [stages_of(seed) for seed in range(seeds)]
        self.plan = [
            (seed, cells)
            for stages in zip(*by_seed, strict=True)
            for seed, stage in enumerate(stages)
            for cells in stacks_of(_with_tuning(stage, seed), laboratory.device)
        ]
        self._teacher_cells = [stages[0][0] for stages in by_seed]
        self._teacher_ids = [
            config_id(run_config(cell, laboratory, None), seed)
            for seed, cell in enumerate(self._teacher_cells)
        ]
        self._teachers: dict[int, nn.Module] = {}

    def line(self, cell: Cell, seed: int) -> dict[str, Any] | None:
        """The cell's line in the results, if it is there."""
        return self._store.get(config_id(run_config(cell, self._laboratory, self._teacher_ids[seed]), seed))

    def run(self, cells: Sequence[Cell], seed: int) -> None:
        """Train the cells and keep what is to be kept."""
        trained = train_cells(
            cells,
            seed,
            self._laboratory,
            teacher=self._teacher(seed) if any(cell.has_teacher for cell in cells) else None,
            teacher_id=self._teacher_ids[seed],
            held_out_shift=self._held_out_shift(cells[0], seed),
        )
        for cell, one in zip(cells, trained, strict=True):
            if cell == self._teacher_cells[seed]:
                # before its line, so that a teacher that is in the results can be read
                self._keep_teacher(seed, one.network)
            self._keep(one.kept, run_name(cell.name, seed))

    def _keep(self, kept: Sequence[Kept], run: str) -> None:
        there = self._store.get(kept[-1].line["id"]) is not None
        for one in kept:
            # corrected results stand before their run, so a kill between them leaves some of them there
            if self._store.get(one.line["id"]) is None:
                self._store.add(one.line, one.predictions)
        if not there:
            self._laboratory.observer.run_ended(run, kept[-1].line)

    def _held_out_shift(self, cell: Cell, seed: int) -> float | None:
        if cell.correction is None or not cell.correction.held_out:
            return None
        tuned = self.line(tuning_cell(cell, cell.correction, seed), seed)
        return None if tuned is None else tuned["correction"]["shift"]

    def _teacher(self, seed: int) -> nn.Module:
        """The trained teacher: from memory, its file, or, where that is gone, the same training again."""
        if seed not in self._teachers:
            cell, file = self._teacher_cells[seed], self._weights(seed)
            if file.exists():
                network = cell.network.build(seed).to(self._laboratory.device)
                network.load_state_dict(load_file(file, device=str(self._laboratory.device)))
                self._teachers[seed] = network
            else:
                self._keep_teacher(seed, train_cells([cell], seed, self._laboratory)[0].network)
        return self._teachers[seed]

    def _keep_teacher(self, seed: int, network: nn.Module) -> None:
        self._teachers[seed] = network
        write_atomically(self._weights(seed), save(network.state_dict()))

    def _weights(self, seed: int) -> Path:
        return self._store.folder / "teachers" / f"{self._teacher_ids[seed]}.safetensors"


def _with_tuning(cells: Sequence[Cell], seed: int) -> list[Cell]:
    """The cells, each that needs a shift chosen on held-out cases after the run that chooses it."""
    result = []
    for cell in cells:
        if cell.correction is not None and cell.correction.held_out:
            result.append(tuning_cell(cell, cell.correction, seed))
        result.append(cell)
    return result


def _cost(cell: Cell) -> float:
    """Roughly what a run takes, in multiply-adds an example and epoch: for the time left."""
    widths = (784, *cell.network.hidden_units, 10)
    products = sum(before * after for before, after in pairwise(widths))
    share = {"omit_classes": 0.9, "only_classes": 0.2}.get(_selection(cell), 1.0)
    masks = 400.0 * sum(cell.network.hidden_units) * bool(cell.network.hidden_dropout)
    return (products + 60_000 + masks) * share * cell.training.epochs


def _selection(cell: Cell) -> str:
    parts = getattr(cell.transfer_set, "parts", (cell.transfer_set,))
    return str(parts[-1].to_dict()["kind"])
