"""The lines of a folder's results, as typed records."""

from __future__ import annotations

from typing import Any, TypedDict


class Curve(TypedDict):
    """How a run went, by epoch."""

    test_errors: list[int]
    never_predicted: list[list[int]]
    train_loss: list[float]


class Correction(TypedDict, total=False):
    """How the biases of a run were corrected, or which shift was chosen for that."""

    kind: str
    classes: list[int]
    shift: float
    parent: str | None
    errors_by_shift: dict[str, list[float]]


class RunLine(TypedDict, total=False):
    """A line of results.jsonl, or, with `found`, of experiments.jsonl; see docs/api/experiments.md."""

    id: str
    name: str
    seed: int
    config: dict[str, Any]
    test_errors: int
    errors_by_class: list[int]
    never_predicted: list[int]
    nll: float | None
    ece: float | None
    teacher_agreement: float | None
    teacher_kl: float | None
    teacher_errors: int | None
    shared_errors: int | None
    curve: Curve | None
    correction: Correction
    """Empty or None where nothing was corrected."""
    tuned_on_test: bool
    diverged: bool
    duration_s: float
    environment: dict[str, Any]
    data: dict[str, str]
    protocol: str
    quick: bool
    found: dict[str, Any]
