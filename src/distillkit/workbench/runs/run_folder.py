"""The folder of one distillation: found whole, refused, or written at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillkit.errors import ConfigurationError
from distillkit.workbench.results.atomic import (
    MANIFEST_NAME,
    manifest_problems,
    sha256_of,
    to_json,
    write_atomically,
    write_manifest,
)
from distillkit.workbench.results.only_writer import OwnFolder
from distillkit.workbench.runs.code_file import CodeFile
from distillkit.workbench.runs.run_config import RunConfig
from distillkit.yaml_io import load_yaml

CONFIG, ENVIRONMENT, METRICS = "run.yaml", "environment.json", "metrics.json"
HISTORY, PREDICTIONS, WEIGHTS = "history.csv", "predictions.npy", "student.safetensors"
_OURS = {CONFIG, ENVIRONMENT, METRICS, HISTORY, PREDICTIONS, WEIGHTS, MANIFEST_NAME}


class RunFolder(OwnFolder):
    """A context manager that keeps other writers out and finds out at once whether the folder can be written.

    Args:
        folder: Made where it does not exist.
        config: The run that it is for.
        code: The code file, if any.
        overwrite: Whether another run's results may be replaced; they stay until the new ones are there.

    Raises:
        ConfigurationError: The folder cannot be written, is in use, or holds other files.
    """

    def __init__(self, folder: Path, config: RunConfig, code: CodeFile | None, *, overwrite: bool) -> None:
        super().__init__(folder)
        self._config, self._overwrite = config, overwrite
        self.inputs = inputs_of(config, code)

    def finished_metrics(self) -> dict[str, Any] | None:
        """The metrics of this very run, where it ended here before; `None` where it is to be trained.

        Raises:
            ConfigurationError: The folder holds another run, or one whose files were changed since.
        """
        if self._overwrite or not (self.folder / MANIFEST_NAME).exists():
            return None
        if problems := manifest_problems(self.folder):
            raise ConfigurationError(
                f"{self.folder} is not as it was written: {problems[0]} Restore it, choose another --out, or "
                "--overwrite it."
            )
        there = load_yaml(
            (self.folder / CONFIG).read_text(encoding="utf-8"), source=str(self.folder / CONFIG)
        )
        inputs = json.loads((self.folder / ENVIRONMENT).read_text(encoding="utf-8")).get("inputs")
        # through JSON, as the file went: tuples are lists there
        differences = [*_differences(there, self._config.to_dict()), *_differences(inputs, self.inputs)]
        if differences:
            raise ConfigurationError(
                f"{self.folder} holds another run ({'; '.join(differences)}): choose another --out, or "
                "--overwrite to replace it."
            )
        metrics: dict[str, Any] = json.loads((self.folder / METRICS).read_text(encoding="utf-8"))
        return metrics

    def publish(self, files: Mapping[str, bytes | str], environment: Mapping[str, Any]) -> None:
        """Write everything, the manifest last: without one, the folder counts as unfinished.

        Raises:
            ConfigurationError: The disk refused.
        """
        contents = {
            **files,
            ENVIRONMENT: to_json({**environment, "inputs": self.inputs}),
            CONFIG: self._config.to_yaml(),
        }
        try:
            (self.folder / MANIFEST_NAME).unlink(missing_ok=True)
            for name, content in contents.items():
                write_atomically(self.folder / name, content)
            write_manifest(self.folder)
        except OSError as error:
            raise ConfigurationError(
                f"The results could not be written to {self.folder} ({error.strerror or error}): make room "
                "there and run the same command again."
            ) from None

    def _open(self) -> None:
        names = {file.name for file in self.folder.iterdir() if not file.name.startswith(".")}
        if {CONFIG, METRICS, MANIFEST_NAME} <= names:
            return
        # a run.yaml on its own is a person's: ours is written after the metrics
        others = sorted(names - _OURS | ({CONFIG} & names if METRICS not in names else set()))
        if others:
            raise ConfigurationError(
                f"{self.folder} holds other files ({', '.join(others[:3])}): choose an --out that is empty "
                "or not there."
            )


def inputs_of(config: RunConfig, code: CodeFile | None) -> dict[str, str]:
    """SHA-256 of the files that the result depends on; one that is not there is told of when it is read."""
    files = [file.expanduser() for file in config.files]
    digests = {str(file): sha256_of(file) for file in files if file.is_file()}
    return digests if code is None else {code.path.name: code.sha256, **digests}


def _differences(there: Any, asked: Any, path: str = "") -> list[str]:
    if isinstance(there, dict) and isinstance(asked, dict):
        return [
            difference
            for name in dict.fromkeys([*asked, *there])
            for difference in _differences(
                there.get(name), asked.get(name), f"{path}.{name}" if path else str(name)
            )
        ]
    return [] if there == asked else [f"{path}: {_short(there)} there, {_short(asked)} asked for"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
