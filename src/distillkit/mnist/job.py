"""A job: cells times seeds, in one folder of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from distillkit import Ensemble
from distillkit.experiments import ResultStore, config_id, write_atomically
from distillkit.mnist.cells import Cell, tuning_cell
from distillkit.mnist.corrected_results import corrected_config
from distillkit.mnist.ensembles import ensemble_config, ensemble_id
from distillkit.mnist.estimate import Estimates
from distillkit.mnist.kept import Kept
from distillkit.mnist.runs import Laboratory, TeacherId, Trained, run_config, run_name, train_cells
from distillkit.mnist.stacks import stacks_of

Stages = Sequence[Sequence[Cell]]


def run_job(
    teacher_of: Callable[[int], Cell],
    stages_of: Callable[[int], Stages],
    seeds: int,
    laboratory: Laboratory,
    store: ResultStore,
) -> list[dict[str, Any]]:
    """Train what is not yet in the store, stage by stage, each with every seed; return all results.

    Args:
        teacher_of: The teacher of a seed's cells. It has a result of its own where it is one of them.
        stages_of: The cells of a seed, in stages.
        seeds: The seeds are 0 to `seeds` − 1.
        laboratory: Data, device, precision and who watches.
        store: Opened for writing.
    """
    job = _Job(teacher_of, stages_of, seeds, laboratory, store)
    laboratory.observer.planned(job.costs(), job.finished())
    for seed, cells in job.plan:
        # a stack whole, so that what a kill left of it does not change the others' last digits
        if not all(job.has(cell, seed) for cell in cells):
            job.run(cells, seed)
    return store.results


class _Job:
    """The runs of a job, and the teachers trained so far."""

    def __init__(
        self,
        teacher_of: Callable[[int], Cell],
        stages_of: Callable[[int], Stages],
        seeds: int,
        laboratory: Laboratory,
        store: ResultStore,
    ) -> None:
        self._laboratory, self._store = laboratory, store
        by_seed = [stages_of(seed) for seed in range(seeds)]
        self.plan = [
            (seed, cells)
            for stages in zip(*by_seed, strict=True)
            for seed, stage in enumerate(stages)
            for cells in stacks_of(_with_tuning(stage, seed), laboratory.device)
        ]
        self._teacher_cells = [teacher_of(seed) for seed in range(seeds)]
        self._members = [[cell for stage in stages for cell in stage if cell.is_member] for stages in by_seed]
        self._networks: dict[str, nn.Module] = {}
        self._ensembles: dict[tuple[int, str], Ensemble] = {}

    def line(self, cell: Cell, seed: int) -> dict[str, Any] | None:
        """The cell's line in the results, if it is there."""
        return self._store.get(self._id(cell, seed))

    def has(self, cell: Cell, seed: int) -> bool:
        """Whether the cell's line is in the results, and the others that come with it."""
        line = self.line(cell, seed)
        if line is None:
            return False
        beside = [corrected_config(line["config"], kind) for kind in _kinds(cell)]
        beside += [ensemble_config(line["config"])] if cell.ensemble is not None else []
        return all(self._store.get(config_id(config, seed)) is not None for config in beside)

    def finished(self) -> frozenset[str]:
        """The runs that are done already."""
        return frozenset(
            run_name(cell.name, seed) for seed, cells in self.plan for cell in cells if self.has(cell, seed)
        )

    def costs(self) -> dict[str, float]:
        """Estimated seconds of every run; 0 of those that need no run any more."""
        estimates = Estimates(self._laboratory)
        costs: dict[str, float] = {}
        for seed, cells in self.plan:
            todo = not all(self.has(cell, seed) for cell in cells)
            seconds = estimates.seconds(cells, self._untrained_teacher()) if todo else 0.0
            costs |= {run_name(cell.name, seed): seconds / len(cells) for cell in cells}
        return costs

    def run(self, cells: Sequence[Cell], seed: int) -> None:
        """Train the cells and keep what is to be kept."""
        trained = self._train(cells, seed)
        for cell, one in zip(cells, trained, strict=True):
            if cell.is_member or cell == self._teacher_cells[seed]:
                # before its line, so that a teacher that is in the results can be read
                self._keep_network(cell, seed, one.network)
            self._keep(one.kept, run_name(cell.name, seed))

    def _train(self, cells: Sequence[Cell], seed: int) -> list[Trained]:
        first = cells[0]
        return train_cells(
            cells,
            seed,
            self._laboratory,
            teacher=self._teacher_of(first, seed) if any(cell.has_teacher for cell in cells) else None,
            teacher_id=self._teacher_id(next((cell for cell in cells if cell.has_teacher), first), seed),
            held_out_shift=self._held_out_shift(first, seed),
        )

    def _id(self, cell: Cell, seed: int) -> str:
        return config_id(run_config(cell, self._laboratory, self._teacher_id(cell, seed)), seed)

    def _teacher_id(self, cell: Cell, seed: int) -> TeacherId:
        """The identity of the teacher of a cell, if it has one."""
        if not cell.has_teacher:
            return None
        if cell.ensemble is None:
            return self._id(self._teacher_cells[seed], seed)
        return ensemble_id([self._id(member, seed) for member in self._members[seed]], cell.ensemble)

    def _keep(self, kept: Sequence[Kept], run: str) -> None:
        there = self._store.get(kept[-1].line["id"]) is not None
        for one in kept:
            # what comes with a run stands before its line, so a kill between them leaves some of it there
            if self._store.get(one.line["id"]) is None:
                self._store.add(one.line, one.predictions)
        if not there:
            self._laboratory.observer.run_ended(run, kept[-1].line)

    def _held_out_shift(self, cell: Cell, seed: int) -> float | None:
        if cell.correction is None or not cell.correction.held_out:
            return None
        tuned = self.line(tuning_cell(cell, cell.correction, seed), seed)
        return None if tuned is None else tuned["correction"]["shift"]

    def _teacher_of(self, cell: Cell, seed: int) -> nn.Module:
        if cell.ensemble is None:
            return self._network(self._teacher_cells[seed], seed)
        # one object for all that it teaches, so that its answers are asked for once
        key = seed, cell.ensemble
        if key not in self._ensembles:
            members = [self._network(member, seed) for member in self._members[seed]]
            self._ensembles[key] = Ensemble(members, average=cell.ensemble)
        return self._ensembles[key]

    def _network(self, cell: Cell, seed: int) -> nn.Module:
        """A trained network that teaches: from memory, its file, or, where that is gone, trained again."""
        key = self._id(cell, seed)
        if key not in self._networks:
            file = self._weights(key)
            if file.exists():
                network = cell.network.build(seed).to(self._laboratory.device)
                network.load_state_dict(load_file(file, device=str(self._laboratory.device)))
                self._networks[key] = network
            else:
                self._keep_network(cell, seed, train_cells([cell], seed, self._laboratory)[0].network)
        return self._networks[key]

    def _untrained_teacher(self) -> nn.Module:
        return self._teacher_cells[0].network.build(0).to(self._laboratory.device)

    def _keep_network(self, cell: Cell, seed: int, network: nn.Module) -> None:
        key = self._id(cell, seed)
        self._networks[key] = network
        write_atomically(self._weights(key), save(network.state_dict()))

    def _weights(self, key: str) -> Path:
        return self._store.folder / "teachers" / f"{key}.safetensors"


def _kinds(cell: Cell) -> tuple[str, ...]:
    return () if cell.correction is None else cell.correction.kinds


def _with_tuning(cells: Sequence[Cell], seed: int) -> list[Cell]:
    """The cells, each that needs a shift chosen on held-out cases after the run that chooses it."""
    result = []
    for cell in cells:
        if cell.correction is not None and cell.correction.held_out:
            result.append(tuning_cell(cell, cell.correction, seed))
        result.append(cell)
    return result
