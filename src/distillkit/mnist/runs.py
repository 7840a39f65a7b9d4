"""Training cells with a seed, and what is kept of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distillkit import Callback, Distiller, Evaluation, MaxNorm, TeacherCache, fit_together, metrics
from distillkit.errors import DivergenceError
from distillkit.experiments import SettledPrecision, config_id, environment
from distillkit.experiments.observer import Observer
from distillkit.mnist.bias_correction import best_shift, prior_matching_shift, shifted
from distillkit.mnist.cells import FRACTION_KEPT, HELD_OUT, LABEL_FREE, TEST_TUNED, Cell
from distillkit.mnist.data import BACKGROUND, MnistData, with_background
from distillkit.transfer_sets import Fraction


@dataclass(frozen=True)
class Laboratory:
    """What all runs of a job share."""

    data: MnistData
    protocol: str
    quick: bool
    device: torch.device
    precision: SettledPrecision
    observer: Observer
    teacher_cache: TeacherCache = field(default_factory=TeacherCache)
    """Each teacher's answers, asked once for all of its students."""

    def train(self, cell: Cell) -> tuple[Tensor, Tensor]:
        """Training images as the cell has them, `[60000, 1, 28, 28]`, and labels, on the device."""
        return self._images(self.data.train_images, cell), self.data.train_labels.to(self.device)

    def test(self, cell: Cell) -> tuple[Tensor, Tensor]:
        """Test images as the cell has them, `[10000, 1, 28, 28]`, and labels, on the device."""
        return self._images(self.data.test_images, cell), self.data.test_labels.to(self.device)

    def _images(self, images: Tensor, cell: Cell) -> Tensor:
        if cell.background != BACKGROUND:
            images = with_background(images, cell.background)
        return images.view(-1, 1, 28, 28).to(self.device)


@dataclass(frozen=True)
class Kept:
    """A line of the results, and the predicted class of each test case."""

    line: dict[str, Any]
    predictions: NDArray[np.uint8]


def corrected_config(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The configuration of a run's result after a correction of its biases."""
    return {**config, "name": f"{config['name']}-bias-{kind}", "correction": kind}


def run_config(cell: Cell, laboratory: Laboratory, teacher_id: str | None) -> dict[str, Any]:
    """The whole configuration of a cell's run, but for the seed."""
    return cell.config(
        data=laboratory.data.sha256,
        precision=laboratory.precision,
        teacher=teacher_id if cell.has_teacher else None,
    )


@dataclass(frozen=True)
class Trained:
    """What is kept of a cell's run, the run itself last, and the network."""

    kept: list[Kept]
    network: nn.Module


def train_cells(
    cells: Sequence[Cell],
    seed: int,
    laboratory: Laboratory,
    *,
    teacher: nn.Module | None = None,
    teacher_id: str | None = None,
    held_out_shift: float | None = None,
) -> list[Trained]:
    """Train cells of one training, as one stack where there are several.

    Args:
        cells: What to train; of the same epochs and batch size.
        seed: Of initial values, order of the data and dropout.
        laboratory: Data, device, precision.
        teacher: The trained teacher of the cells that have one.
        teacher_id: The identity of the teacher's own run.
        held_out_shift: The shift that a tuning run chose for the cells' correction.
    """
    began = time.perf_counter()
    distillers = [distiller_for(cell, seed, laboratory, teacher) for cell in cells]
    histories = fit_together(
        distillers,
        laboratory.train(cells[0]),
        epochs=cells[0].training.epochs,
        batch_size=cells[0].training.batch_size,
        evaluate_on=laboratory.test(cells[0]),
        stack_size=len(cells),
    )
    each = (time.perf_counter() - began) / len(cells)
    return [
        _trained(cell, seed, laboratory, distiller, history, each, teacher_id, held_out_shift)
        for cell, distiller, history in zip(cells, distillers, histories, strict=True)
    ]


def _trained(
    cell: Cell,
    seed: int,
    laboratory: Laboratory,
    distiller: Distiller,
    history: pd.DataFrame | DivergenceError,
    seconds: float,
    teacher_id: str | None,
    held_out_shift: float | None,
) -> Trained:
    began = time.perf_counter()
    config = run_config(cell, laboratory, teacher_id)
    evaluation = distiller.evaluate(laboratory.test(cell))
    correction = None
    if cell.chooses_shift_of:
        correction = _chosen_on_held_out(distiller, cell, seed, laboratory)
    line = {
        "id": config_id(config, seed),
        "name": cell.name,
        "config": config,
        "seed": seed,
        **_numbers(evaluation),
        "curve": _curve(history),
        "correction": correction,
        "diverged": isinstance(history, DivergenceError),
        "duration_s": round(seconds + time.perf_counter() - began, 3),
        "environment": environment(laboratory.device, laboratory.precision),
        "data": {"name": laboratory.data.name, "sha256": laboratory.data.sha256},
        "protocol": laboratory.protocol,
        "quick": laboratory.quick,
        "tuned_on_test": False,
    }
    corrected = []
    if cell.correction is not None:
        corrected = _corrected(distiller, cell, cell.correction.classes, line, laboratory, held_out_shift)
    return Trained([*corrected, Kept(line, _as_bytes(evaluation.predictions))], distiller.student)


def distiller_for(cell: Cell, seed: int, laboratory: Laboratory, teacher: nn.Module | None) -> Distiller:
    """What trains a cell with a seed, before its first step."""
    training = cell.training
    labels = laboratory.data.train_labels
    chosen = len(cell.transfer_set.select(len(labels), labels))
    steps = training.epochs * math.ceil(chosen / training.batch_size)
    callbacks: list[Callback] = [_Watch(cell.name, seed, laboratory.observer)]
    if training.max_squared_norm is not None:
        callbacks.append(MaxNorm(training.max_squared_norm))
    return Distiller(
        teacher=teacher if cell.has_teacher else None,
        student=cell.network.build(seed).to(laboratory.device),
        loss=cell.loss,
        transfer_set=cell.transfer_set,
        optimizer=training.build_optimizer,
        schedule=lambda optimizer: training.build_schedule(optimizer, steps),
        schedule_unit=training.schedule_unit,
        clip_norm=training.clip_norm,
        precision=laboratory.precision,
        teacher_cache=laboratory.teacher_cache,
        callbacks=callbacks,
        seed=seed,
    )


def _curve(history: pd.DataFrame | DivergenceError) -> dict[str, Any] | None:
    if isinstance(history, DivergenceError):
        return None
    return {
        "test_errors": history["test_errors"].tolist(),
        "never_predicted": [list(classes) for classes in history["never_predicted"]],
        "train_loss": [round(loss, 6) for loss in history["loss"]],
    }


def _chosen_on_held_out(
    distiller: Distiller, cell: Cell, seed: int, laboratory: Laboratory
) -> dict[str, Any]:
    images, labels = laboratory.train(cell)
    kept = Fraction(fraction=FRACTION_KEPT, seed=seed).select(len(labels), labels)
    held_out = torch.ones(len(labels), dtype=torch.bool)
    held_out[kept] = False
    numbers = held_out.nonzero().flatten().to(labels.device)
    shift = best_shift(distiller.logits(images[numbers]), labels[numbers], cell.chooses_shift_of)
    return {
        "kind": "chosen-on-held-out",
        "classes": list(cell.chooses_shift_of),
        "shift": shift,
        "parent": None,
    }


def _corrected(
    distiller: Distiller,
    cell: Cell,
    classes: tuple[int, ...],
    line: Mapping[str, Any],
    laboratory: Laboratory,
    held_out_shift: float | None,
) -> list[Kept]:
    """The run's results after each of the corrections."""
    images, labels = laboratory.test(cell)
    logits = distiller.logits(images)
    training_logits = distiller.logits(laboratory.train(cell)[0])
    shifts = {TEST_TUNED: best_shift(logits, labels, classes)}
    if held_out_shift is not None:
        shifts[HELD_OUT] = held_out_shift
    shifts[LABEL_FREE] = prior_matching_shift(training_logits, classes)
    kept = []
    for kind, shift in shifts.items():
        correction = {"kind": kind, "classes": list(classes), "shift": round(shift, 4), "parent": line["id"]}
        config = corrected_config(line["config"], kind)
        evaluation = metrics.evaluate_logits(shifted(logits, classes, shift), labels)
        corrected = {
            **line,
            "id": config_id(config, line["seed"]),
            "name": config["name"],
            "config": config,
            **_numbers(evaluation),
            "curve": None,
            "correction": correction,
            "tuned_on_test": kind == TEST_TUNED,
        }
        kept.append(Kept(corrected, _as_bytes(evaluation.predictions)))
    return kept


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    """The metrics as plain data; one that is not a number (a diverged run's) is null."""
    return {
        name: None
        if isinstance(value, float) and not math.isfinite(value)
        else list(value)
        if isinstance(value, tuple)
        else round(value, 8)
        if isinstance(value, float)
        else value
        for name, value in evaluation.numbers().items()
    }


def _as_bytes(predictions: Tensor) -> NDArray[np.uint8]:
    result: NDArray[np.uint8] = predictions.numpy().astype(np.uint8)
    return result


class _Watch(Callback):
    """Tells an observer how a run goes."""

    def __init__(self, name: str, seed: int, observer: Observer) -> None:
        self._run, self._observer = run_name(name, seed), observer
        self._steps = 0

    def on_fit_start(self, distiller: Distiller, epochs: int, steps: int) -> None:
        self._steps = steps
        self._observer.run_started(self._run, epochs)

    def on_step_end(self, distiller: Distiller, step: int) -> None:
        self._observer.step_ended(self._run, distiller.epochs_done, step / self._steps)

    def on_epoch_end(self, distiller: Distiller, row: Mapping[str, Any]) -> None:
        self._observer.epoch_ended(self._run, row)


def run_name(cell: str, seed: int) -> str:
    """What a run is called where people read it."""
    return f"{cell}, seed {seed}"
