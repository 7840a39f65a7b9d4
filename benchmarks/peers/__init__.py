"""Other libraries on the job of `one-student`: one adapter each, left out where it cannot be imported.

Each adapter sets its library so that it computes the very loss of the job, also where that is not its
default.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from torch import Tensor, nn

from benchmarks.mnist_job import Job
from benchmarks.timing import Clock

PEERS = ("torchdistill", "timm", "model_optimizer", "keras", "kd_lib")
"""The adapters, each a module `on_NAME` of this folder."""


class Batches(Protocol):
    """A loader, or what looks like one."""

    dataset: Any

    def __len__(self) -> int:
        """Batches an epoch."""
        ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels."""
        ...


class Adapter(Protocol):
    """The job through a library; imports the library when it is called."""

    PACKAGE: str
    """The name of its distribution."""
    NOTE: str
    """How it was driven, where that is not plain."""

    def train(self, job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
        """The trained student."""
        ...


def adapters() -> dict[str, Adapter]:
    """All of them, by the name of their distribution."""
    modules: list[ModuleType] = [import_module(f"benchmarks.peers.on_{name}") for name in PEERS]
    found: list[Any] = list(modules)
    return {each.PACKAGE: each for each in found}
