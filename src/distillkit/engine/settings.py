"""What a `Distiller` is made of, checked when it is made."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from distillkit.engine.callbacks import Callback
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
Schedule = LRScheduler | ReduceLROnPlateau
ScheduleFactory = Callable[[Optimizer], Schedule]


def check_modules(teacher: object, student: object) -> None:
    """Refuse what is no module, one module in both places, and a student that cannot learn.

    Raises:
        ConfigurationError: Says which.
    """
    if isinstance(teacher, (list, tuple)):
        raise ConfigurationError(
            "Several teachers are one Ensemble: pass Ensemble([...], average='probabilities') or "
            "average='logits'."
        )
    for side, module in (("teacher", teacher), ("student", student)):
        if not isinstance(module, nn.Module) and not (side == "teacher" and module is None):
            raise ConfigurationError(f"The {side} must be a torch.nn.Module, got {type(module).__name__}.")
    if teacher is student:
        raise ConfigurationError(
            "Teacher and student are one object: copy it (copy.deepcopy) to distil it into itself."
        )
    if isinstance(student, nn.Module) and not any(
        parameter.requires_grad for parameter in student.parameters()
    ):
        raise ConfigurationError("The student has no trainable parameters.")


def check_parts(loss: object, transfer_set: object, clip_norm: float | None) -> None:
    """Refuse a loss that cannot be called as one, what is no transfer set, and a norm that is no length.

    Raises:
        ConfigurationError: Says which.
    """
    _check_call(loss)
    if transfer_set is not None and not isinstance(transfer_set, TransferSet):
        raise ConfigurationError(f"transfer_set must be a TransferSet, got {type(transfer_set).__name__}.")
    if clip_norm is not None and not clip_norm > 0:
        raise ConfigurationError(f"clip_norm must be above 0 or None, got {clip_norm!r}.")


def _check_call(loss: object) -> None:
    if isinstance(loss, type):
        raise ConfigurationError(f"loss is the class {loss.__name__}: make one of it, {loss.__name__}(...).")
    if not callable(loss):
        raise ConfigurationError(
            f"loss must be a Loss or a callable, got {type(loss).__name__} (losses.Loss.from_dict makes a "
            "Loss of settings)."
        )
    # what a module is called with goes to its forward
    called = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        signature = inspect.signature(called)
    except ValueError:  # of some that are written in C
        return
    try:
        signature.bind(student=None, teacher=None, labels=None)
    except TypeError:
        name = getattr(loss, "__name__", type(loss).__name__)
        raise ConfigurationError(
            f"A loss is called with student=..., teacher=... and labels=..., and {name} takes {signature}: "
            "define loss(*, student, teacher, labels), where student.logits and teacher.logits are the "
            "tensors, or use one of distillkit.losses."
        ) from None


def optimizer_for(
    student: nn.Module, optimizer: Optimizer | OptimizerFactory | None, *, recorded: bool = False
) -> Optimizer:
    """The optimiser given, made, or the default AdamW, for updates that are recorded or not."""
    if optimizer is None:
        fused = _can_be_fused(student) or None
        return torch.optim.AdamW(student.parameters(), lr=1e-3, fused=fused, capturable=recorded)
    made = optimizer(student.parameters()) if callable(optimizer) else optimizer
    if not isinstance(made, Optimizer):
        raise ConfigurationError(
            f"optimizer must be, or make, a torch.optim.Optimizer; got {type(made).__name__}."
        )
    if isinstance(made, torch.optim.LBFGS):
        raise ConfigurationError(
            "LBFGS evaluates the loss several times a step, which an update here does once: use another."
        )
    if recorded and callable(optimizer):
        _allow_recording(made)
    return made


def _allow_recording(optimizer: Optimizer) -> None:
    """Let one that remembers nothing yet keep on the device what it will."""
    if optimizer.state:
        return
    for settings in (optimizer.defaults, *optimizer.param_groups):
        if "capturable" in settings:
            settings["capturable"] = True


def _can_be_fused(student: nn.Module) -> bool:
    return all(
        parameter.device.type in {"cpu", "cuda"} and parameter.is_floating_point()
        for parameter in student.parameters()
    )


def schedule_for(
    optimizer: Optimizer, schedule: Schedule | ScheduleFactory | None, unit: str
) -> Schedule | None:
    """The schedule given or made, if any, which must move this optimiser."""
    one_of("schedule_unit", unit, ("epoch", "step"))
    if schedule is None:
        return None
    made = schedule(optimizer) if callable(schedule) else schedule
    if not isinstance(made, (LRScheduler, ReduceLROnPlateau)):
        raise ConfigurationError(
            f"schedule must be, or make, a schedule of torch.optim.lr_scheduler; got {type(made).__name__}."
        )
    if made.optimizer is not optimizer:
        raise ConfigurationError(
            "The schedule belongs to another optimiser, so it would change nothing here: make it from the "
            "optimiser that you pass, or pass a function, schedule=lambda optimizer: ..."
        )
    if unit == "step" and isinstance(made, ReduceLROnPlateau):
        raise ConfigurationError("ReduceLROnPlateau looks at an epoch's loss: use schedule_unit='epoch'.")
    return made


def advance(schedule: Schedule | None, epoch_loss: float | None = None) -> None:
    """Move a schedule on by one of its units."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(epoch_loss)  # type: ignore[arg-type]  # by steps it is refused
    elif schedule is not None:
        schedule.step()


def callbacks_of(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """The callbacks, each of which is one."""
    given: Any = callbacks if isinstance(callbacks, Iterable) else [callbacks]
    for callback in (chosen := tuple(given)):
        if not isinstance(callback, Callback):
            raise ConfigurationError(
                f"A callback must be a distillkit.Callback, got {type(callback).__name__}."
            )
    return chosen


def one_of(name: str, value: object, values: tuple[str, ...]) -> None:
    """Refuse a setting that is none of `values`."""
    if not isinstance(value, str) or value not in values:
        raise ConfigurationError(f"{name} must be one of {', '.join(values)}; got {value!r}.")


def whole_number(name: str, value: Any, *, at_least: int | None = None) -> int:
    """`value` as an integer of at least `at_least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}.") from None
    if at_least is not None and number < at_least:
        raise ConfigurationError(f"{name} must be at least {at_least}, got {number}.")
    return number
