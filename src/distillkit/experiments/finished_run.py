"""What a finished run of `distillkit train` left: its models, as trained, and its data."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.experiments.atomic import MANIFEST_NAME, manifest_problems
from distillkit.experiments.code_file import CodeFile
from distillkit.experiments.run_config import RunConfig, read_run_file
from distillkit.experiments.run_folder import CONFIG, ENVIRONMENT, METRICS, WEIGHTS, inputs_of
from distillkit.experiments.train import build_models, load_data
from distillkit.experiments.weights import read_weights


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended."""

    config: RunConfig
    teacher: nn.Module | None
    """As the student saw it; `None` where labels alone taught."""
    student: nn.Module
    """With the weights that it ended with, on the CPU."""
    evaluation: Any
    """The labelled data that it was evaluated on."""


def finished_config(folder: Path, code: CodeFile | None) -> RunConfig:
    """The configuration of a run that ended; a file of it that has changed since is warned of.

    Raises:
        ConfigurationError: The folder holds no finished run, or its files were changed since.
    """
    if not all((folder / name).is_file() for name in (MANIFEST_NAME, CONFIG, METRICS, WEIGHTS)):
        raise ConfigurationError(
            f"{folder} holds no finished run of `distillkit train`: name a folder that one left."
        )
    if problems := manifest_problems(folder):
        raise ConfigurationError(f"{folder} is not as it was written: {problems[0]} Train it again.")
    config = read_run_file(folder / CONFIG)
    then = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["inputs"]
    now = inputs_of(config, code)
    for name in sorted(name for name in then.keys() & now.keys() if then[name] != now[name]):
        warnings.warn(f"{name} is not what it was when {folder} was trained.", stacklevel=3)
    return config


def read_run(folder: Path, code: CodeFile | None = None) -> FinishedRun:
    """Build the models of a run's folder and load its data; nothing in the folder is changed.

    A file that the run depended on, such as its code, and that is no longer what it was, is warned of.

    Args:
        folder: Where `distillkit train` left a run.
        code: The file whose functions the run names.

    Raises:
        ConfigurationError: As `finished_config`; or models and data cannot be built.
        DataUnavailableError: Data or weights could not be found or downloaded.
    """
    config = finished_config(folder, code)
    teacher, student = build_models(config, code)
    read_weights(student, folder / WEIGHTS, "the student")
    return FinishedRun(config, teacher, student, load_data(config.data, code)[1])
