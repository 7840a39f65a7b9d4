"""Where the time of a training goes: the profiler's operations, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from distillkit import Callback, Distiller

GROUPS = {
    "the compiled pass": ("cpp_fused", "ompiled", "Dynamo", "AOT"),
    "products": ("mm", "gemm", "linear", "convolution"),
    "activations": ("clamp_min", "relu", "Relu", "threshold", "dropout"),
    "optimiser": ("sgd", "adam", "Optimizer.step"),
    "clipping": ("norm", "foreach", "clamp", "reciprocal"),
    "loss": ("softmax", "nll_loss", "kl_div", "xlogy", "::log", "::exp"),
    "data": ("index", "gather", "randperm", "split"),
    "casts and copies": ("copy", "::to"),
}
"""An operation belongs to the first group that has a part of its name."""
REST = "rest"


class Profiled(Callback):
    """Profiles the last epoch of a training, which needs at least two."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._on_gpu else [])]
        self._profiler = profile(activities=activities)
        self._epochs = 0

    def on_fit_start(self, distiller: Distiller, epochs: int, steps: int) -> None:
        """Remember how many epochs there will be."""
        self._epochs = epochs

    def on_epoch_end(self, distiller: Distiller, row: Mapping[str, Any]) -> None:
        """Begin after the last but one, end after the last."""
        if row["epoch"] == self._epochs - 1:
            self._profiler.start()
        if row["epoch"] == self._epochs:
            self._profiler.stop()

    def shares(self) -> dict[str, dict[str, Any]]:
        """Each group's share of the time, and its largest operations by self time."""
        times = {
            event.key: float(event.self_device_time_total if self._on_gpu else event.self_cpu_time_total)
            for event in self._profiler.key_averages()
        }
        whole = sum(times.values())
        found: dict[str, dict[str, Any]] = {}
        for group in (*GROUPS, REST):
            members = {name: taken for name, taken in times.items() if taken and group_of(name) == group}
            largest = sorted(members, key=lambda name: -members[name])[:4]
            found[group] = {
                "share": sum(members.values()) / whole,
                "largest": {name[:80]: round(members[name] / whole, 4) for name in largest},
            }
        return found


def group_of(operation: str) -> str:
    """The group of an operation.

    Example:
        >>> group_of("aten::addmm"), group_of("aten::_foreach_norm"), group_of("aten::add_")
        ('products', 'clipping', 'rest')
    """
    return next((group for group, parts in GROUPS.items() if any(part in operation for part in parts)), REST)
