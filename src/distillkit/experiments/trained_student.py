"""The student that a run of `distillkit train` left, and examples of what it was evaluated on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distillkit.engine.data_forms import as_source
from distillkit.errors import ConfigurationError
from distillkit.experiments.atomic import MANIFEST_NAME, manifest_problems
from distillkit.experiments.code_file import CodeFile
from distillkit.experiments.run_config import RunConfig, read_run_file
from distillkit.experiments.run_folder import CONFIG, ENVIRONMENT, METRICS, WEIGHTS, inputs_of
from distillkit.experiments.train import load_data
from distillkit.experiments.weights import read_weights


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


def trained_student(folder: Path, code: CodeFile | None) -> tuple[RunConfig, nn.Module]:
    """A finished run's configuration and its student, on the CPU, with the weights that it ended with.

    Neither the teacher nor the weights that the student began with are needed.

    Args:
        folder: Where `distillkit train` left the run.
        code: The file whose functions the run names.

    Raises:
        ConfigurationError: As `finished_config`; or the student cannot be built.
    """
    config = finished_config(folder, code)
    source = config.student
    began_with = {"weights", "weights_file"} & type(source).model_fields.keys()
    student = source.model_copy(update=dict.fromkeys(began_with)).build(code)
    read_weights(student, folder / WEIGHTS, "the student")
    return config, student


def examples_of_run(config: RunConfig, code: CodeFile | None, number: int) -> Any:
    """The inputs of the first examples of a run's evaluation data, as a batch of at most `number`.

    Raises:
        ConfigurationError: The data hold nothing.
        DataUnavailableError: They could not be found or downloaded.
    """
    _, evaluation = load_data(config.data, code)
    batch = next(iter(as_source(evaluation, torch.device("cpu")).batches(batch_size=number)), None)
    if batch is None:
        raise ConfigurationError("The run's evaluation data hold no example.")
    inputs = batch.inputs
    if isinstance(inputs, Mapping):
        return {name: part[:number] for name, part in inputs.items()}
    return inputs[:number]
