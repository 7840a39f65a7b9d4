"""Students of the report's sweep as `Distiller`s, and `fit_together` where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.setting import Waits
from distillkit import Callback, Distiller, TeacherCache
from distillkit.losses import HardLabels
from distillkit.mnist.protocols.protocol import REPORT_2025
from distillkit.workbench import SettledPrecision

WIDTHS = (30, 300, 800)
TEMPERATURES: tuple[float | None, ...] = (None, 1, 2, 4, 10, 20, 50)
"""`None` is the student on hard labels alone."""
TRAINING = REPORT_2025.student_training


def report_student(
    hidden_units: int,
    temperature: float | None,
    seed: int,
    *,
    teacher: nn.Module,
    cache: TeacherCache,
    device: torch.device,
    precision: SettledPrecision,
    callbacks: Sequence[Callback] = (),
) -> Distiller:
    """One of the 21 students, as the protocol `report-2025` has it."""
    return Distiller(
        teacher=None if temperature is None else teacher,
        student=REPORT_2025.student(hidden_units).build(seed).to(device),
        loss=HardLabels() if temperature is None else REPORT_2025.student_loss(temperature),
        optimizer=partial(torch.optim.SGD, lr=TRAINING.learning_rate, momentum=TRAINING.momentum, fused=True),
        schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(
            optimizer, TRAINING.learning_rate_decay
        ),
        clip_norm=TRAINING.clip_norm,
        precision=precision,
        teacher_cache=cache,
        callbacks=callbacks,
        seed=seed,
    )


def together() -> Callable[..., list[Any]]:
    """The `fit_together` of distillkit.

    Raises:
        Waits: This version of distillkit has none.
    """
    import distillkit

    try:
        found: Callable[..., list[Any]] = distillkit.fit_together
    except AttributeError:
        raise Waits("distillkit.fit_together, which this version has not") from None
    return found


def fit_together(
    distillers: Sequence[Distiller], train: tuple[Tensor, Tensor], *, epochs: int, **more: Any
) -> list[Any]:
    """All of them as one, at the report's batch size."""
    return together()(distillers, train, epochs=epochs, batch_size=TRAINING.batch_size, **more)
