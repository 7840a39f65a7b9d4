"""A finished run of `distillkit train`: its models, as trained, and its data."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distillkit.engine.data.data_forms import as_source
from distillkit.errors import ConfigurationError
from distillkit.workbench.results.atomic import MANIFEST_NAME, manifest_problems
from distillkit.workbench.runs.code_file import CodeFile
from distillkit.workbench.runs.run_config import RunConfig, read_run_file
from distillkit.workbench.runs.run_folder import CONFIG, ENVIRONMENT, METRICS, WEIGHTS, inputs_of
from distillkit.workbench.runs.train import build_models, load_data
from distillkit.workbench.runs.weights import read_weights


class FinishedRun:
    """A run that ended; models are built and data loaded when they are asked for.

    A file that the run depended on, such as its code, and that is no longer what it was, is warned of.

    Args:
        folder: Where `distillkit train` left the run.
        code: The file whose functions the run names.

    Raises:
        ConfigurationError: The folder holds no finished run, or its files were changed since.
    """

    def __init__(self, folder: Path, code: CodeFile | None = None) -> None:
        self._folder, self._code = folder, code
        self.config = _finished_config(folder)
        self._warn_of_changes()

    def student(self) -> nn.Module:
        """On the CPU, with the weights that it ended with; its first ones and the teacher may be gone.

        Raises:
            ConfigurationError: It cannot be built.
            DataUnavailableError: Weights of torchvision's, with which it began, could not be downloaded.
        """
        return self._models(self.config.model_copy(update={"teacher": None}))[1]

    def models(self) -> tuple[nn.Module | None, nn.Module]:
        """The teacher as the student saw it, `None` where labels alone taught, and the student.

        Raises:
            ConfigurationError: One of them cannot be built.
            DataUnavailableError: Weights could not be downloaded.
        """
        return self._models(self.config)

    def evaluation(self) -> Any:
        """The labelled data that it was evaluated on.

        Raises:
            ConfigurationError: They cannot be made.
            DataUnavailableError: They could not be found or downloaded.
        """
        return load_data(self.config.data, self._code)[1]

    def examples(self, number: int) -> Any:
        """The inputs of the first examples of its evaluation data, as a batch of at most `number`.

        Raises:
            ConfigurationError: As `evaluation`; or the data hold nothing.
            DataUnavailableError: As `evaluation`.
        """
        source = as_source(self.evaluation(), torch.device("cpu"))
        batch = next(iter(source.batches(batch_size=number)), None)
        if batch is None:
            raise ConfigurationError("The run's evaluation data hold no example.")
        inputs = batch.inputs
        if isinstance(inputs, Mapping):
            return {name: part[:number] for name, part in inputs.items()}
        return inputs[:number]

    def _models(self, config: RunConfig) -> tuple[nn.Module | None, nn.Module]:
        began = config.model_copy(update={"student": config.student.without_weights_file()})
        teacher, student = build_models(began, self._code)
        read_weights(student, self._folder / WEIGHTS, "the student")
        return teacher, student

    def _warn_of_changes(self) -> None:
        then = json.loads((self._folder / ENVIRONMENT).read_text(encoding="utf-8"))["inputs"]
        now = inputs_of(self.config, self._code)
        for name in sorted(name for name in then.keys() & now.keys() if then[name] != now[name]):
            warnings.warn(f"{name} is not what it was when {self._folder} was trained.", stacklevel=3)


def _finished_config(folder: Path) -> RunConfig:
    if not all((folder / name).is_file() for name in (MANIFEST_NAME, CONFIG, METRICS, WEIGHTS)):
        raise ConfigurationError(
            f"{folder} holds no finished run of `distillkit train`: name a folder that one left."
        )
    if problems := manifest_problems(folder):
        raise ConfigurationError(f"{folder} is not as it was written: {problems[0]} Train it again.")
    return read_run_file(folder / CONFIG)
