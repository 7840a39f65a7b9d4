"""Training cells with a seed, and what is kept of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import nn

from distillkit import Callback, Distiller, MaxNorm, Watched, fit_together
from distillkit.errors import DivergenceError
from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.cells.corrected_results import chosen_on_held_out, corrected_results
from distillkit.mnist.cells.ensembles import ensemble_result
from distillkit.mnist.cells.run_context import RunContext, TeacherId, compile_mode, run_config, run_name
from distillkit.mnist.cells.run_record import Kept, as_bytes, numbers_of
from distillkit.workbench import config_id, environment
from distillkit.workbench.workers.observer import Observer


@dataclass(frozen=True)
class Trained:
    """The records of a cell's run, the run itself last, and the network."""

    kept: list[Kept]
    network: nn.Module


def train_cells(
    cells: Sequence[Cell],
    seed: int,
    context: RunContext,
    *,
    teacher: nn.Module | None = None,
    teacher_id: TeacherId = None,
    held_out_shift: float | None = None,
) -> list[Trained]:
    """Train cells of one training, as one stack where there are several.

    Args:
        cells: What to train; of the same epochs and batch size.
        seed: Of initial values, order of the data and dropout.
        context: Data, device, precision.
        teacher: The trained teacher of the cells that have one.
        teacher_id: The identity of what made the teacher.
        held_out_shift: The shift that a tuning run chose for the cells' correction.
    """
    began = time.perf_counter()
    distillers = [distiller_for(cell, seed, context, teacher) for cell in cells]
    histories = fit_together(
        distillers,
        context.learnt_from(cells[0], seed),
        epochs=cells[0].training.epochs,
        batch_size=cells[0].training.batch_size,
        evaluate_on=context.test(cells[0]),
        stack_size=len(cells),
    )
    each = (time.perf_counter() - began) / len(cells)
    return [
        _trained(cell, seed, context, distiller, history, each, teacher_id, held_out_shift)
        for cell, distiller, history in zip(cells, distillers, histories, strict=True)
    ]


def _trained(
    cell: Cell,
    seed: int,
    context: RunContext,
    distiller: Distiller,
    history: pd.DataFrame | DivergenceError,
    seconds: float,
    teacher_id: TeacherId,
    held_out_shift: float | None,
) -> Trained:
    began = time.perf_counter()
    config = run_config(cell, context, teacher_id)
    evaluation = distiller.evaluate(context.test(cell))
    correction = None
    if cell.chooses_shift_of:
        correction = chosen_on_held_out(distiller, cell, seed, context)
    line = {
        "id": config_id(config, seed),
        "name": cell.name,
        "config": config,
        "seed": seed,
        **numbers_of(evaluation),
        "curve": _curve(history),
        "correction": correction,
        "diverged": isinstance(history, DivergenceError),
        "duration_s": round(seconds + time.perf_counter() - began, 3),
        "environment": environment(context.device, context.precision),
        "data": {"name": context.data.name, "sha256": context.data.sha256},
        "protocol": context.protocol,
        "quick": context.quick,
        "tuned_on_test": False,
    }
    kept = corrected_results(distiller, cell, line, context, held_out_shift)
    if cell.ensemble is not None and distiller.teacher is not None:
        kept.append(ensemble_result(distiller.teacher, cell, line, context))
    return Trained([*kept, Kept(line, as_bytes(evaluation.predictions))], distiller.student)


def distiller_for(cell: Cell, seed: int, context: RunContext, teacher: nn.Module | None) -> Distiller:
    """Return the Distiller of a cell with a seed, before its first step."""
    training = cell.training
    labels = context.data.train_labels
    chosen = len(cell.transfer_set.select(len(labels), labels))
    steps = training.epochs * math.ceil(chosen / training.batch_size)
    callbacks: list[Callback] = [_Watch(cell.name, seed, context.observer)]
    if training.max_squared_norm is not None:
        callbacks.append(MaxNorm(training.max_squared_norm))
    return Distiller(
        teacher=teacher if cell.has_teacher else None,
        student=cell.network.build(cell.seed(seed)).to(context.device),
        loss=cell.loss,
        transfer_set=cell.transfer_set,
        optimizer=training.build_optimizer,
        schedule=lambda optimizer: training.build_schedule(optimizer, steps),
        schedule_unit=training.schedule_unit,
        clip_norm=training.clip_norm,
        precision=context.precision,
        compile=compile_mode(context.device),
        teacher_cache=context.teacher_cache,
        callbacks=callbacks,
        seed=cell.seed(seed),
    )


def _curve(history: pd.DataFrame | DivergenceError) -> dict[str, Any] | None:
    if isinstance(history, DivergenceError):
        return None
    return {
        "test_errors": history["test_errors"].tolist(),
        "never_predicted": [list(classes) for classes in history["never_predicted"]],
        "train_loss": [round(loss, 6) for loss in history["loss"]],
    }


class _Watch(Callback):
    """Tells an observer how a run goes."""

    only_watches = True

    def __init__(self, name: str, seed: int, observer: Observer) -> None:
        self._run, self._observer = run_name(name, seed), observer
        self._steps = 0

    def on_fit_start(self, distiller: Watched, epochs: int, steps: int) -> None:
        self._steps = steps

    def on_step_end(self, distiller: Watched, step: int) -> None:
        self._observer.step_ended(self._run, distiller.epochs_done, step / self._steps)

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        self._observer.epoch_ended(self._run, row)
