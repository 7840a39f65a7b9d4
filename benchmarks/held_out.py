"""Choosing settings without the test set: candidates learn from 50,000 cases and are judged on 10,000."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from safetensors.torch import load_file, save
from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.cell import Cell, baseline_cell, distilled_cell, teacher_cell
from distillkit.mnist.cells.run_context import RunContext, run_config
from distillkit.mnist.cells.runs import train_cells
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.protocols.protocol import Protocol
from distillkit.workbench import config_id, write_atomically
from distillkit.workbench.results.lines import append_line

Role = Literal["teacher", "baseline", "distilled"]
_PARTS = 6
_STUDENTS = ("student_", "hard_label_weight")
"""What the paths of the settings that a teacher does not have begin with."""


@dataclass(frozen=True)
class Candidate:
    """Settings that are tried: a protocol's with some changed, for one of its networks."""

    protocol: Protocol
    role: Role
    hidden_units: int = 800
    temperature: float = 20.0
    seed: int = 0

    def cell(self) -> Cell:
        """What is trained."""
        if self.role == "teacher":
            return self.teacher()
        if self.role == "baseline":
            return baseline_cell(self.protocol, self.hidden_units)
        return distilled_cell(self.protocol, self.hidden_units, self.temperature)

    def teacher(self) -> Cell:
        """Who teaches it."""
        return teacher_cell(self.protocol, self.seed, dropout=True)


def development_data(data: MnistData) -> MnistData:
    """The first five sixths of the training cases to learn from, and the others to be judged on.

    The test set is not in it, so that nothing can look at it.

    Example:
        >>> from distillkit.mnist.data.digits import make_stand_in
        >>> part = development_data(make_stand_in(n_train=600, n_test=10))
        >>> len(part.train_labels), len(part.test_labels), part.name
        (500, 100, 'stand-in, development')
    """
    learnt = len(data.train_labels) * (_PARTS - 1) // _PARTS
    return replace(
        data,
        train_images=data.train_images[:learnt],
        train_labels=data.train_labels[:learnt],
        test_images=data.train_images[learnt:],
        test_labels=data.train_labels[learnt:],
        name=f"{data.name}, development",
        sha256=hashlib.sha256(f"{data.sha256}, the first {learnt}".encode()).hexdigest(),
    )


def with_changes(protocol: Protocol, changes: Mapping[str, Any]) -> Protocol:
    """The protocol with some settings replaced, each named by its path.

    Raises:
        ConfigurationError: There is no such setting, or it cannot have this value.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> changed = with_changes(MODERN, {"student_training.optimizer.learning_rate": 0.003})
        >>> changed.student_training.optimizer.learning_rate
        0.003
    """
    settings = copy.deepcopy({**protocol.settings(), "description": protocol.description})
    for path, value in changes.items():
        *parents, name = path.split(".")
        place: Any = settings
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise ConfigurationError(f"{path} names no setting of {protocol.name}: see --show-settings.")
        place[name] = value
    try:
        return Protocol.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{protocol.name} cannot be changed so: {where}: {first['msg']}.") from None


def try_candidate(
    candidate: Candidate, context: RunContext, folder: Path, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Train a candidate, and before it the teacher that it needs, and write down how it did.

    Args:
        candidate: What is tried.
        context: With data of `development_data`.
        folder: Where `tried.jsonl` gets a line for every candidate, also those that diverged, and teachers
            are kept for the next candidates. What is in the log is not tried again.
        changes: What the candidate changes of its protocol, for the log.

    Returns:
        Its line of the log.

    Raises:
        ConfigurationError: The data are not those for development.
    """
    if not context.data.name.endswith("development"):
        raise ConfigurationError("Settings are chosen on development_data, never on the test set.")
    cell, taught_by = candidate.cell(), candidate.teacher()
    teacher_id = config_id(run_config(taught_by, context, None), candidate.seed)
    key = config_id(run_config(cell, context, teacher_id), candidate.seed)
    log = folder / "tried.jsonl"
    there = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    if found := next((line for line in there if line["id"] == key), None):
        return dict(found)
    teacher = None
    if cell.has_teacher:
        teacher = _teacher(candidate, context, folder, teacher_id, changes)
    trained = train_cells([cell], candidate.seed, context, teacher=teacher, teacher_id=teacher_id)[0]
    if candidate.role == "teacher":
        write_atomically(folder / f"{key}.safetensors", save(trained.network.state_dict()))
    result = trained.kept[-1].line
    line = {
        "id": key,
        "role": candidate.role,
        "protocol": candidate.protocol.name,
        "changes": dict(changes),
        "cell": cell.name,
        "seed": candidate.seed,
        "held_out_errors": result["test_errors"],
        "of": len(context.data.test_labels),
        "errors_by_epoch": (result["curve"] or {}).get("test_errors"),
        "teacher_agreement": result["teacher_agreement"],
        **{name: result[name] for name in ("nll", "diverged", "duration_s", "environment", "config")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    append_line(log, line)
    return line


def _teacher(
    candidate: Candidate, context: RunContext, folder: Path, teacher_id: str, changes: Mapping[str, Any]
) -> nn.Module:
    file = folder / f"{teacher_id}.safetensors"
    if not file.exists():
        its = {path: value for path, value in changes.items() if not path.startswith(_STUDENTS)}
        try_candidate(replace(candidate, role="teacher"), context, folder, its)
    network = candidate.teacher().network.build(candidate.seed).to(context.device)
    network.load_state_dict(load_file(file, device=str(context.device)))
    return network
