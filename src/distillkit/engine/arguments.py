"""Arguments of the engine's functions, checked one by one."""

from __future__ import annotations

import inspect
import operator
from typing import Any

from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet


def one_of(name: str, value: object, values: tuple[str, ...]) -> None:
    """Refuse a setting that is none of `values`."""
    if not isinstance(value, str) or value not in values:
        raise ConfigurationError(f"{name} must be one of {', '.join(values)}; got {value!r}.")


def whole_number(name: str, value: Any, *, at_least: int | None = None) -> int:
    """Return `value` as an integer of at least `at_least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}.") from None
    if at_least is not None and number < at_least:
        raise ConfigurationError(f"{name} must be at least {at_least}, got {number}.")
    return number


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
