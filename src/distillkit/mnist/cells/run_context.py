"""The context of a job: what all of its runs share, and how a run is identified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from distillkit import TeacherCache
from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.data.digits import BACKGROUND, MnistData, with_background
from distillkit.workbench import SettledPrecision
from distillkit.workbench.workers.observer import Observer

TeacherId = str | dict[str, Any] | None
"""The identity of the run that made a teacher, or those of an ensemble's members with what is averaged."""


@dataclass(frozen=True)
class RunContext:
    """Data, device and settings that all runs of a job share."""

    data: MnistData
    protocol: str
    quick: bool
    device: torch.device
    precision: SettledPrecision
    observer: Observer
    at_once: int | None = 1
    """How many runs go on side by side, each in a process of its own; 1 is in this one, `None` as many as let
    the job end first."""
    teacher_cache: TeacherCache = field(default_factory=TeacherCache)
    """Each teacher's answers, asked once for all of its students."""

    def train(self, cell: Cell) -> tuple[Tensor, Tensor]:
        """Training images as the cell has them, `[60000, 1, 28, 28]`, and labels, on the device."""
        return self._images(self.data.train_images, cell), self.data.train_labels.to(self.device)

    def test(self, cell: Cell) -> tuple[Tensor, Tensor]:
        """Test images as the cell has them, `[10000, 1, 28, 28]`, and labels, on the device."""
        return self._images(self.data.test_images, cell), self.data.test_labels.to(self.device)

    def learnt_from(self, cell: Cell, seed: int) -> Tensor | tuple[Tensor, Tensor]:
        """Return the training data of a run of the cell: the training set, or images alone."""
        if cell.pool is None:
            return self.train(cell)
        return self._images(cell.pool.draw(self.data, seed), cell)

    def _images(self, images: Tensor, cell: Cell) -> Tensor:
        if cell.background != BACKGROUND:
            images = with_background(images, cell.background)
        return images.view(-1, 1, 28, 28).to(self.device)


def run_config(cell: Cell, context: RunContext, teacher_id: TeacherId) -> dict[str, Any]:
    """The whole configuration of a cell's run, but for the seed."""
    return cell.config(
        data=context.data.sha256,
        precision=context.precision,
        teacher=teacher_id if cell.has_teacher else None,
    )


def run_name(cell: str, seed: int) -> str:
    """Return the name of a run for people."""
    return f"{cell}, seed {seed}"


def compile_mode(device: torch.device) -> Literal["auto", "graphs"]:
    """Return how updates are made on a device: as CUDA graphs on a GPU.

    MNIST's networks are so small that starting their kernels there takes longer than the kernels.

    Example:
        >>> compile_mode(torch.device("cpu"))
        'auto'
    """
    return "graphs" if device.type == "cuda" else "auto"
