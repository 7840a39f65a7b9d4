"""What all benchmarks of one run share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from distillkit.workbench import SettledPrecision, settle_precision


class Waits(Exception):  # noqa: N818 - nothing is wrong
    """A measurement that cannot be made here; its sentence says what it waits for."""


@dataclass(frozen=True)
class Setting:
    """Where the data are, where results go, on what device, and how thoroughly."""

    data_dir: Path | None
    """torchvision's root, the folder that holds MNIST/raw; `DISTILLKIT_DATA` where it is `None`."""
    out: Path
    """The folder of the JSON files; what is kept from run to run is there too."""
    device: torch.device
    rounds: int
    """How often everything is measured in turn."""
    epochs: int
    """Epochs a training of `one-student`."""
    quick: bool
    """Few batches of everything: shows that it works, measures nothing."""

    @property
    def precisions(self) -> tuple[SettledPrecision, ...]:
        """float32, and what `auto` means on the device where that is something else."""
        auto = settle_precision("auto", self.device)
        return ("fp32",) if auto == "fp32" else ("fp32", auto)

    def on(self, device: str) -> Setting:
        """The same on another device."""
        return replace(self, device=torch.device(device))
