"""From a `RunConfig` to a trained student and its results on disk."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from distillkit import Callback, Distiller
from distillkit.engine.callbacks import Watched
from distillkit.errors import ConfigurationError, DistillkitError
from distillkit.workbench.results.atomic import to_json
from distillkit.workbench.results.environment import environment
from distillkit.workbench.runs.code_file import CodeFile, function_of
from distillkit.workbench.runs.data_sources import DataSource
from distillkit.workbench.runs.run_config import RunConfig
from distillkit.workbench.runs.run_folder import HISTORY, METRICS, PREDICTIONS, WEIGHTS, RunFolder
from distillkit.workbench.runs.weights import check_writable_weights, weights_bytes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunResult:
    """The end of a run."""

    folder: Path
    """Where its files are."""
    metrics: dict[str, Any]
    """The student's final metrics on the evaluation data."""
    done_before: bool
    """Whether the folder held this very run already, so that nothing was trained."""


def train_run(
    config: RunConfig,
    folder: Path,
    *,
    code: CodeFile | None = None,
    device: torch.device | None = None,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Train the student that a configuration describes, and write weights, metrics, history and predictions.

    Everything is written at the end, so a training that is cut short leaves the folder as it was.

    Args:
        config: The run.
        folder: Where the results go. One that holds this very run is read, not trained again.
        code: The file whose functions the configuration names.
        device: Where to train; the CPU where none is given.
        overwrite: Replace what another run left in the folder.
        callbacks: Told of the training as it goes.

    Raises:
        ConfigurationError: Folder, models, data or settings cannot be used.
        DataUnavailableError: Data or weights could not be found or downloaded.
        DivergenceError: The loss is no longer finite.
    """
    for function in config.functions:
        function_of(code, function)
    with RunFolder(folder, config, code, overwrite=overwrite) as results:
        metrics = results.finished_metrics()
        if metrics is not None:
            return RunResult(folder, metrics, done_before=True)
        began = time.perf_counter()
        watch = _FirstEpoch()
        distiller = _distiller(config, code, device or torch.device("cpu"), (watch, *callbacks))
        train, evaluation = load_data(config.data, code)
        _refuse_unlabelled(evaluation)
        with _explained(watch):
            history = distiller.fit(
                train,
                epochs=config.epochs,
                batch_size=config.batch_size,
                evaluate_on=evaluation,
                num_workers=config.num_workers,
            )
        predictions = distiller.logits(evaluation).argmax(dim=-1).cpu()
        metrics = _metrics(history, len(predictions))
        files: dict[str, bytes | str] = {
            WEIGHTS: weights_bytes(distiller.student),
            PREDICTIONS: _npy(predictions),
            HISTORY: _csv(history),
            METRICS: to_json(metrics),
        }
        seconds = round(time.perf_counter() - began, 3)
        results.publish(
            files, {**environment(distiller.device, distiller.precision.name), "duration_s": seconds}
        )
        return RunResult(folder, metrics, done_before=False)


def _distiller(
    config: RunConfig, code: CodeFile | None, device: torch.device, callbacks: Sequence[Callback]
) -> Distiller:
    teacher, student = build_models(config, code)
    check_writable_weights(student)
    return Distiller(
        teacher=None if teacher is None else teacher.to(device),
        student=student.to(device),
        loss=config.loss,
        transfer_set=config.transfer_set,
        optimizer=config.optimizer.build,
        schedule=lambda optimizer: config.schedule.build(optimizer, config.epochs),
        clip_norm=config.clip_norm,
        precision=config.precision,
        compile=config.compile,
        teacher_cache=config.teacher_cache,
        callbacks=callbacks,
        seed=config.seed,
    )


def build_models(config: RunConfig, code: CodeFile | None) -> tuple[nn.Module | None, nn.Module]:
    """Teacher and student as a run begins with them, on the CPU.

    The student is built first, so that its initial values are a matter of the seed alone.
    """
    with _seeded(config.seed):
        student = config.student.build(code)
        if config.teacher is None:
            return None, student
        if config.teacher.untrained:
            warnings.warn(
                "The teacher has no trained weights: name its weights, or its weights_file.", stacklevel=3
            )
        return config.teacher.build(code), student


def load_data(source: DataSource, code: CodeFile | None) -> tuple[Any, Any]:
    """Training data and evaluation data, the same each time, whatever the seed of a run."""
    with _seeded(0):
        return source.load(code)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _refuse_unlabelled(evaluation: Any) -> None:
    """Before an epoch has been trained for nothing."""
    example = evaluation
    if hasattr(evaluation, "__getitem__") and not isinstance(evaluation, (Tensor, Mapping, tuple, list)):
        example = evaluation[0]
    if isinstance(example, Tensor) or (isinstance(example, Mapping) and "labels" not in example):
        raise ConfigurationError(
            "The evaluation data have no labels: give (inputs, labels), or a mapping with 'labels'."
        )


class _FirstEpoch(Callback):
    """Knows whether an epoch has ended."""

    ended = False

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        self.ended = True


@contextmanager
def _explained(watch: _FirstEpoch) -> Iterator[None]:
    """An error of a model or data set in the first epoch: nearly always, two things do not fit together."""
    try:
        yield
    except DistillkitError:
        raise
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        if watch.ended:
            raise
        message = " ".join(str(error).split())
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        raise ConfigurationError(
            f"The models could not be run on the data ({type(error).__name__}: {message[:300]}).{notes} Look "
            "at whether teacher, student and data are made for one another; --debug shows where it happened."
        ) from error


def _metrics(history: pd.DataFrame, cases: int) -> dict[str, Any]:
    """The last row of the history, as plain data; a number that is not finite is null."""
    last = history.iloc[-1].to_dict()
    metrics: dict[str, Any] = {"cases": cases, "epochs": int(last["epoch"])}
    names = (
        "test_errors",
        "errors_by_class",
        "never_predicted",
        "nll",
        "ece",
        "teacher_agreement",
        "teacher_kl",
        "teacher_errors",
        "shared_errors",
    )
    for name in names:
        value = last[name]
        if isinstance(value, tuple):
            metrics[name] = list(value)
        elif value is None or not math.isfinite(value):
            metrics[name] = None
        else:
            metrics[name] = int(value) if name.endswith("_errors") else float(value)
    return metrics


def _csv(history: pd.DataFrame) -> str:
    """The history, one line an epoch; what is a list is one in JSON."""
    text: str = history.map(lambda value: json.dumps(value) if isinstance(value, tuple) else value).to_csv(
        index=False
    )
    return text


def _npy(predictions: Tensor) -> bytes:
    """The predicted classes in the smallest whole numbers that hold them."""
    array = predictions.numpy()
    buffer = BytesIO()
    np.save(buffer, array.astype(np.min_scalar_type(int(array.max()))))
    return buffer.getvalue()
