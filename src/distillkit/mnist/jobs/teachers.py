"""Trained networks that teach: files of a job's folder, and in memory once they were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from distillkit import Ensemble
from distillkit.mnist.cells.cell import Average, Cell
from distillkit.workbench import write_atomically


@dataclass(frozen=True)
class TeacherSpec:
    """Who teaches: one trained network, or several of which something is averaged."""

    nets: tuple[tuple[str, Cell], ...]
    """The run id and the cell of each network."""
    average: Average | None = None
    """The kind of average of an ensemble; `None` of one network."""

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of the runs that make the networks."""
        return frozenset(run for run, _ in self.nets)


class Teachers:
    """The networks of one folder.

    Args:
        folder: Of the files; made with the first.
        device: Where the networks are.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.folder, self._device = folder, device
        # one object for all that it teaches, so that its answers are asked for once
        self._there: dict[TeacherSpec, nn.Module] = {}

    def has(self, run: str) -> bool:
        """Whether the network of this run is kept."""
        return self._file(run).exists()

    def keep(self, run: str, weights: Mapping[str, Tensor]) -> None:
        """Keep a trained network."""
        write_atomically(self._file(run), save(dict(weights)))
        self._there = {teacher: net for teacher, net in self._there.items() if run not in teacher.ids}

    def network(self, taught_by: TeacherSpec) -> nn.Module:
        """The network that teaches; its files are there."""
        if taught_by not in self._there:
            nets = [self._read(run, cell) for run, cell in taught_by.nets]
            self._there[taught_by] = (
                nets[0] if taught_by.average is None else Ensemble(nets, average=taught_by.average)
            )
        return self._there[taught_by]

    def _read(self, run: str, cell: Cell) -> nn.Module:
        network = cell.network.build(seed=0).to(self._device)
        network.load_state_dict(load_file(self._file(run), device=str(self._device)))
        return network

    def _file(self, run: str) -> Path:
        return self.folder / f"{run}.safetensors"
