"""The optimiser and its schedule: given, made, or the default."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from distillkit.errors import ConfigurationError

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
Schedule = LRScheduler | ReduceLROnPlateau
ScheduleFactory = Callable[[Optimizer], Schedule]


def optimizer_for(
    trained: nn.Module, optimizer: Optimizer | OptimizerFactory | None, *, graphs: bool = False
) -> Optimizer:
    """Return the optimiser that was given, make it, or make the default AdamW.

    Args:
        trained: The module whose parameters it steps.
        optimizer: One, a function that makes one from parameters, or `None`; see `check_factories`.
        graphs: Whether updates are recorded as CUDA graphs, so that its state must lie on the device.

    Raises:
        ConfigurationError: It is none, or one that an update here cannot use.
    """
    if optimizer is None:
        fused = _can_be_fused(trained) or None
        return torch.optim.AdamW(trained.parameters(), lr=1e-3, fused=fused, capturable=graphs)
    made = optimizer(trained.parameters()) if callable(optimizer) else optimizer
    if not isinstance(made, Optimizer):
        raise _no_optimizer(made)
    if isinstance(made, torch.optim.LBFGS):
        raise ConfigurationError(
            "LBFGS evaluates the loss several times a step, which an update here does once: use another."
        )
    if graphs and callable(optimizer):
        _allow_graphs(made)
    return made


def check_factories(optimizer: object, schedule: object) -> None:
    """Refuse what can neither be nor make an optimiser or a schedule; raises `ConfigurationError`."""
    if optimizer is not None and not isinstance(optimizer, Optimizer) and not callable(optimizer):
        raise _no_optimizer(optimizer)
    if schedule is not None and not isinstance(schedule, Schedule) and not callable(schedule):
        raise _no_schedule(schedule)


def _no_optimizer(came: object) -> ConfigurationError:
    return ConfigurationError(
        f"optimizer must be, or make, a torch.optim.Optimizer; got {type(came).__name__}."
    )


def _no_schedule(came: object) -> ConfigurationError:
    return ConfigurationError(
        f"schedule must be, or make, a schedule of torch.optim.lr_scheduler; got {type(came).__name__}."
    )


def _allow_graphs(optimizer: Optimizer) -> None:
    """If the optimiser has no state yet, set `capturable=True`, so that its state is made on the device."""
    if optimizer.state:
        return
    for settings in (optimizer.defaults, *optimizer.param_groups):
        if "capturable" in settings:
            settings["capturable"] = True


def _can_be_fused(trained: nn.Module) -> bool:
    return all(
        parameter.device.type in {"cpu", "cuda"} and parameter.is_floating_point()
        for parameter in trained.parameters()
    )


def schedule_for(
    optimizer: Optimizer, schedule: Schedule | ScheduleFactory | None, unit: str
) -> Schedule | None:
    """Return the schedule that was given, or make it; it must move this optimiser.

    Raises:
        ConfigurationError: It is none, moves another optimiser, or cannot go by this unit.
    """
    if schedule is None:
        return None
    made = schedule(optimizer) if callable(schedule) else schedule
    if not isinstance(made, Schedule):
        raise _no_schedule(made)
    if made.optimizer is not optimizer:
        raise ConfigurationError(
            "The schedule belongs to another optimiser, so it would change nothing here: make it from the "
            "optimiser that you pass, or pass a function, schedule=lambda optimizer: ..."
        )
    if unit == "step" and isinstance(made, ReduceLROnPlateau):
        raise ConfigurationError("ReduceLROnPlateau looks at an epoch's loss: use schedule_unit='epoch'.")
    return made


def advance(schedule: Schedule | None, epoch_loss: float | None = None) -> None:
    """Move a schedule on by one epoch or step, whichever it counts."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(epoch_loss)  # type: ignore[arg-type]  # by steps it is refused
    elif schedule is not None:
        schedule.step()
