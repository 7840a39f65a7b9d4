"""A folder of results: one line a run, appended as each ends; the same command goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.errors import ConfigurationError
from distillkit.workbench.results.atomic import MANIFEST_NAME, write_atomically, write_json
from distillkit.workbench.results.lines import append_line, cut_torn_line, read_lines
from distillkit.workbench.results.only_writer import OwnFolder

RESULTS = "results.jsonl"
EXPERIMENTS = "experiments.jsonl"
SETTINGS = "settings.json"


def config_id(config: Mapping[str, Any], seed: int) -> str:
    """The identity of a run: 16 hexadecimal digits of the SHA-256 of its whole configuration and seed.

    Example:
        >>> config_id({"a": 1, "b": 2}, 0) == config_id({"b": 2, "a": 1}, 0)
        True
    """
    canonical = json.dumps({"config": config, "seed": seed}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class ResultStore(OwnFolder):
    """The results of one command in one folder; a context manager that keeps other writers out.

    Args:
        folder: Made where it does not exist.
        settings: What the folder is for. A folder made for other settings is refused.
        may_differ: Names of settings that another call may change, such as the number of seeds.
        overwrite: Throw away what is there.
        outputs: Names of files below the folder that are computed from results, and go with them.

    Raises:
        ConfigurationError: The folder cannot be written, is in use, holds other files, or was made for
            other settings.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        may_differ: tuple[str, ...] = (),
        overwrite: bool = False,
        outputs: Sequence[str] = (),
    ) -> None:
        super().__init__(folder)
        self._settings, self._may_differ, self._overwrite = dict(settings), may_differ, overwrite
        self._outputs = tuple(outputs)
        self._results: dict[str, dict[str, Any]] = {}
        self._experiments: dict[str, dict[str, Any]] = {}

    @property
    def results(self) -> list[dict[str, Any]]:
        """The lines so far, in the order in which they were written."""
        return list(self._results.values())

    def get(self, result_id: str) -> dict[str, Any] | None:
        """The line of this id, if that run has ended."""
        return self._results.get(result_id)

    def add(self, result: Mapping[str, Any], predictions: NDArray[np.uint8]) -> None:
        """Keep a run: its predictions first, then its line, so that a line never lacks its predictions.

        Raises:
            ConfigurationError: The disk refused.
        """
        buffer = BytesIO()
        np.save(buffer, predictions)
        self._keep(RESULTS, result, f"{result['id']}.npy", buffer.getvalue())
        self._results[str(result["id"])] = dict(result)

    @property
    def experiments(self) -> list[dict[str, Any]]:
        """The lines of experiments so far, each of several networks, in the order of writing."""
        return list(self._experiments.values())

    def get_experiment(self, experiment_id: str) -> dict[str, Any] | None:
        """The line of this id, if that experiment has ended."""
        return self._experiments.get(experiment_id)

    def add_experiment(
        self, line: Mapping[str, Any], predictions: Mapping[str, NDArray[np.integer[Any]]]
    ) -> None:
        """Keep an experiment: first what its networks predict, if it has any, then its line.

        Args:
            line: With an `id`, a `name` and a `seed`.
            predictions: By the name of the network.

        Raises:
            ConfigurationError: The disk refused.
        """
        buffer = BytesIO()
        if predictions:
            arrays: dict[str, Any] = dict(predictions)
            np.savez_compressed(buffer, **arrays)
        self._keep(EXPERIMENTS, line, f"{line['id']}.npz", buffer.getvalue())
        self._experiments[str(line["id"])] = dict(line)

    def _keep(self, lines: str, line: Mapping[str, Any], name: str, predictions: bytes) -> None:
        try:
            if predictions:
                write_atomically(self.folder / "predictions" / name, predictions)
            append_line(self.folder / lines, line)
        except OSError as error:
            raise ConfigurationError(
                f"A result could not be written to {self.folder} ({error.strerror or error}); make "
                "room there and run the same command again: what was written before is kept."
            ) from None

    def _open(self) -> None:
        settings_file = self.folder / SETTINGS
        if self._overwrite and settings_file.exists():
            _clear(self.folder, self._outputs)
        if settings_file.exists():
            self._refuse_other_settings(read_settings(self.folder))
        elif any((self.folder / lines).exists() for lines in (RESULTS, EXPERIMENTS)):
            raise ConfigurationError(
                f"{self.folder} holds results without {SETTINGS}, so it is not known what they are "
                "of: choose another --out."
            )
        write_json(settings_file, self._settings)
        for lines in (RESULTS, EXPERIMENTS):
            cut_torn_line(self.folder / lines)
        self._results = {line["id"]: line for line in read_results(self.folder)}
        self._experiments = {line["id"]: line for line in read_experiments(self.folder)}

    def _refuse_other_settings(self, found: Mapping[str, Any]) -> None:
        # through JSON, as the file went: tuples are lists there
        wanted = json.loads(json.dumps(self._settings))
        differences = [
            f"{name}: {found.get(name)!r} there, {wanted.get(name)!r} asked for"
            for name in sorted({*found, *wanted} - set(self._may_differ))
            if found.get(name) != wanted.get(name)
        ]
        if differences:
            raise ConfigurationError(
                f"{self.folder} was made with other settings ({'; '.join(differences)}): choose "
                "another --out, or --overwrite to throw its results away."
            )


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the settings that a folder was made for.

    Raises:
        ConfigurationError: The folder is no folder of results.
    """
    file = folder / SETTINGS
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} is no folder of distillkit results (it has no {SETTINGS}): name the --out of a "
            "reproduce or sweep."
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error}): restore it, or start in another folder."
        ) from None
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{file} must hold a JSON object, got {type(settings).__name__}.")
    return settings


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a folder's results; a torn last line, what a kill leaves, is passed over.

    Raises:
        ConfigurationError: A line that is not the last cannot be read; names it.
    """
    return read_lines(folder / RESULTS)


def read_experiments(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a folder's experiments, none where it has none, as `read_results` reads them.

    Raises:
        ConfigurationError: A line that is not the last cannot be read; names it.
    """
    return read_lines(folder / EXPERIMENTS)


def _clear(folder: Path, outputs: Sequence[str]) -> None:
    """Delete results and predictions, and what was computed from them; nothing else that may lie there."""
    patterns = ("predictions/*.npy", "predictions/*.npz", "teachers/*.safetensors")
    for name in (RESULTS, EXPERIMENTS, SETTINGS, MANIFEST_NAME, *outputs):
        (folder / name).unlink(missing_ok=True)
    for file in (file for pattern in patterns for file in folder.glob(pattern)):
        file.unlink()
