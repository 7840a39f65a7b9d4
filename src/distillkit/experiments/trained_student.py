"""The student that a run of `distillkit train` left, and examples of what it was evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distillkit.engine.data_forms import as_source
from distillkit.errors import ConfigurationError
from distillkit.experiments.code_file import CodeFile
from distillkit.experiments.finished_run import finished_config
from distillkit.experiments.run_config import RunConfig
from distillkit.experiments.run_folder import WEIGHTS
from distillkit.experiments.train import load_data
from distillkit.experiments.weights import read_weights


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
