"""Settings of an optimiser that a CUDA graph keeps, and those that it gets anew at each replay."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_GIVEN = "given"

Setting = tuple[str, int | None]
"""The name of a setting, and the number of its parameter group; `None` for the whole optimiser."""


def kept_settings(optimizer: Optimizer) -> dict[Setting, Hashable]:
    """Return the settings that a graph keeps: where they change, it must be recorded again.

    They are numbers, such as momentum, also in tensors on a CPU. Learning rates of `given_rates` are not
    kept, and a tensor on the device is read at each replay. The optimiser and its state are kept as objects:
    another optimiser, or one that has loaded a state, steps other tensors than those recorded. Called at
    every step.
    """
    kept: dict[Setting, Hashable] = {
        ("optimizer", None): id(optimizer),
        ("state", None): id(optimizer.state),
    }
    for number, group in enumerate(optimizer.param_groups):
        for name, value in group.items():
            if name == "lr" and _reads_rate(group):
                kept[name, number] = _GIVEN
            elif isinstance(value, (bool, int, float, str, tuple)):
                kept[name, number] = value
            elif isinstance(value, Tensor) and value.device.type == "cpu":
                kept[name, number] = tuple(value.reshape(-1).tolist())
    return kept


def counts_elsewhere(optimizer: Optimizer) -> bool:
    """Whether some state of the optimiser is not on its parameter's device, where no graph changes it."""
    return any(
        isinstance(value, Tensor) and value.device != parameter.device
        for parameter, state in optimizer.state.items()
        for value in state.values()
    )


def given_rates(optimizer: Optimizer) -> list[Tensor]:
    """Return a tensor for each learning rate that a graph can read, float32 as the kernels need."""
    return [
        torch.tensor(float(group["lr"]), dtype=torch.float32, device=group["params"][0].device)
        for group in _groups_that_read(optimizer)
    ]


def give_rates(optimizer: Optimizer, rates: Sequence[Tensor]) -> None:
    """Write the current learning rates into these tensors."""
    for rate, group in zip(rates, _groups_that_read(optimizer), strict=True):
        rate.fill_(group["lr"])


@contextmanager
def rates_in_place(optimizer: Optimizer, rates: Sequence[Tensor]) -> Iterator[None]:
    """Put these tensors in the place of the learning rates, for a while."""
    groups = _groups_that_read(optimizer)
    before = [group["lr"] for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    try:
        yield
    finally:
        for group, number in zip(groups, before, strict=True):
            group["lr"] = number


def _groups_that_read(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [group for group in optimizer.param_groups if _reads_rate(group)]


def _reads_rate(group: Mapping[str, Any]) -> bool:
    """Whether the kernels of a group can read its learning rate, which is a number now, from the device."""
    # with foreach=False some optimisers need the number even so
    from_device = group.get("fused") or (group.get("capturable") and group.get("foreach") is not False)
    return bool(from_device and group["params"]) and isinstance(group["lr"], (int, float))
