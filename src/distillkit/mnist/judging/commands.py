"""The command that made a folder, or that makes one cell of it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distillkit.mnist.judging.evidence import Evidence, student_of
from distillkit.mnist.protocols.protocol import PROTOCOLS


def command_of(settings: Mapping[str, Any]) -> str | None:
    """The command line that a folder's settings.json stands for.

    Args:
        settings: the parsed settings.json of a `reproduce` or a `sweep`.

    Returns:
        The command; None when the settings are of neither.

    Example:
        >>> protocol = {"name": "report-2025", "student_training": {"epochs": 10}}
        >>> sweep = {"command": "sweep", "hidden_units": [30, 800], "temperatures": [4.0], "seeds": 3}
        >>> command_of({**sweep, "protocol": protocol, "precision": "fp32"})
        'distillkit sweep --D 30 800 --T 4 --protocol report-2025 --seeds 3 --epochs 10 --precision fp32'
    """
    protocol = settings.get("protocol")
    if settings.get("command") not in ("sweep", "reproduce hinton-mnist") or not isinstance(
        protocol, Mapping
    ):
        return None
    words = [f"distillkit {settings['command']}"]
    if settings["command"] == "sweep":
        words.append(f"--D {' '.join(map(str, settings['hidden_units']))}")
        words.append(f"--T {' '.join(f'{temperature:g}' for temperature in settings['temperatures'])}")
        words += [f"--losses {' '.join(settings['losses'])}"] if settings.get("losses") else []
    words += [f"--only {','.join(settings['only'])}"] if settings.get("only") else []
    return " ".join(
        [
            *words,
            *_flags(
                str(protocol["name"]),
                int(settings["seeds"]),
                epochs=protocol.get("student_training", {}).get("epochs"),
                precision=settings.get("precision"),
                quick=bool(settings.get("quick")),
            ),
        ]
    )


def whole_command(evidence: Evidence) -> str:
    """The command that the runs themselves imply, where there are no settings."""
    flags = _evidence_flags(evidence, quick=evidence.quick)
    return " ".join(["distillkit reproduce hinton-mnist", *flags])


def cell_command(evidence: Evidence, cell: str) -> str | None:
    """The sweep that makes one distilled cell of the grid again; None for another cell, or a quick run's."""
    student = student_of(cell)
    if student is None or student[1] is None or evidence.quick:
        return None
    return " ".join(
        [f"distillkit sweep --D {student[0]} --T {student[1]:g}", *_evidence_flags(evidence, quick=False)]
    )


def epochs_of(evidence: Evidence) -> int | None:
    """The epochs of the runs, where they are all the same and known."""
    found = {
        run["config"].get("training", {}).get("epochs")
        for runs in evidence.cells.values()
        for run in runs.values()
    }
    return found.pop() if len(found) == 1 else None


def _evidence_flags(evidence: Evidence, *, quick: bool) -> list[str]:
    precisions = {
        run["environment"].get("precision") for runs in evidence.cells.values() for run in runs.values()
    }
    return _flags(
        evidence.protocol or "report-2025",
        len(evidence.seeds) or 1,
        epochs=epochs_of(evidence),
        precision=precisions.pop() if len(precisions) == 1 else None,
        quick=quick,
    )


def _flags(protocol: str, seeds: int, *, epochs: int | None, precision: str | None, quick: bool) -> list[str]:
    flags = [f"--protocol {protocol}", "--quick" if quick else f"--seeds {seeds}"]
    if not quick and epochs is not None and epochs not in epochs_of_protocol(protocol).values():
        flags.append(f"--epochs {epochs}")
    return flags + ([f"--precision {precision}"] if precision else [])


def epochs_of_protocol(name: str) -> dict[str, int]:
    """The epochs of a protocol's teachers and students; none where it is not known.

    Example:
        >>> epochs_of_protocol("report-2025")
        {'teacher': 25, 'student': 25}
    """
    if name not in PROTOCOLS:
        return {}
    protocol = PROTOCOLS[name]
    return {"teacher": protocol.teacher_training.epochs, "student": protocol.student_training.epochs}
