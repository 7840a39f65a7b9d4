"""Which settings of an optimiser a recording keeps as they are, and which it is given anew."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_GIVEN = "given"


Setting = tuple[str, int | None]
"""Its name, and the number of its group of parameters; `None` of the whole optimiser."""


def kept_settings(optimizer: Optimizer) -> dict[Setting, Hashable]:
    """Return the settings that a recording keeps: others need another recording. Called at every step.

    Those are numbers, such as momentum, of tensors on a CPU too. Learning rates that `given_rates` finds are
    not kept, and a tensor on the device is read anew at each replay. An optimiser that has been exchanged, or
    that has loaded a state, steps other tensors than those recorded.
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
    """Whether it remembers anything elsewhere than on its parameter's device, unseen by a recording."""
    return any(
        isinstance(value, Tensor) and value.device != parameter.device
        for parameter, state in optimizer.state.items()
        for value in state.values()
    )


def given_rates(optimizer: Optimizer) -> list[Tensor]:
    """A tensor for each learning rate that a recording can be given, float32 as kernels ask for."""
    return [
        torch.tensor(float(group["lr"]), dtype=torch.float32, device=group["params"][0].device)
        for group in _reading(optimizer)
    ]


def give_rates(optimizer: Optimizer, rates: Sequence[Tensor]) -> None:
    """Write the learning rates of now into these."""
    for rate, group in zip(rates, _reading(optimizer), strict=True):
        rate.fill_(group["lr"])


@contextmanager
def rates_in_place(optimizer: Optimizer, rates: Sequence[Tensor]) -> Iterator[None]:
    """These in place of the learning rates, for a while."""
    groups = _reading(optimizer)
    before = [group["lr"] for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    try:
        yield
    finally:
        for group, number in zip(groups, before, strict=True):
            group["lr"] = number


def _reading(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [group for group in optimizer.param_groups if _reads_rate(group)]


def _reads_rate(group: Mapping[str, Any]) -> bool:
    """Whether the kernels of a group can read its learning rate, a number now, from the device."""
    # one parameter after the other, some optimisers ask for the number even so
    from_device = group.get("fused") or (group.get("capturable") and group.get("foreach") is not False)
    return bool(from_device and group["params"]) and isinstance(group["lr"], (int, float))
