"""Results as a folder holds them, without training: predictions drawn to have a wanted number of errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.workbench.results.store import config_id

CASES_OF_CLASS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
EPOCHS = 25
ERRORS = {
    "teacher": 143,
    "teacher-no-dropout": 120,
    **{f"D{hidden}-noKD": errors for hidden, errors in ((30, 480), (300, 210), (800, 188))},
    **{
        f"D{hidden}-T{temperature}": base + extra
        for hidden, base in ((30, 300), (300, 165), (800, 150))
        for temperature, extra in ((1, 35), (2, 12), (4, 4), (10, 5), (20, 8), (50, 3))
    },
    "D800-noKD-omit3": 1160,
    "D800-T20-omit3": 224,
    "D800-T20-omit3-bias-test-tuned": 187,
    "D800-T20-omit3-bias-held-out": 191,
    "D800-T20-omit3-bias-label-free": 195,
    "D800-T20-omit3-tuning": 230,
    "D800-T20-only78": 2590,
    "D800-T20-only78-bias-test-tuned": 780,
    "D800-T20-only78-bias-held-out": 800,
    "D800-T20-only78-bias-label-free": 850,
    "D800-T20-only78-tuning": 2600,
}


@dataclass(frozen=True)
class FakeFolder:
    """Results with their predictions, and the labels that they are held against."""

    results: list[dict[str, Any]]
    predictions: dict[str, NDArray[np.uint8]]
    labels: NDArray[np.int64]

    def write(self, folder: Path) -> Path:
        """Lay the folder out as a reproduction does, without ledger and report."""
        (folder / "predictions").mkdir(parents=True)
        for key, predicted in self.predictions.items():
            np.save(folder / "predictions" / f"{key}.npy", predicted)
        lines = "".join(json.dumps(result) + "\n" for result in self.results)
        (folder / "results.jsonl").write_text(lines, encoding="utf-8")
        seeds = sorted({result["seed"] for result in self.results})
        (folder / "settings.json").write_text(json.dumps({"seeds": len(seeds)}), encoding="utf-8")
        return folder


def fake_results(
    cells: Sequence[str] = tuple(ERRORS),
    *,
    seeds: int = 3,
    protocol: str = "report-2025",
    quick: bool = False,
    data: str = "mnist",
    dead: Mapping[tuple[str, int], Sequence[int]] | None = None,
    errors: Mapping[str, int] | None = None,
) -> FakeFolder:
    """Plausible runs: errors vary a little with the seed; `dead` names the classes a run never predicts."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), CASES_OF_CLASS))
    results, predictions = [], {}
    for cell in cells:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, *cell.encode()])
            gone = list((dead or {}).get((cell, seed), ()))
            wanted = max(0, round(({**ERRORS, **(errors or {})}[cell]) + rng.normal(0, 6)))
            predicted = _predict(cell, labels, wanted, gone, rng)
            result = _result(cell, seed, labels, predicted, protocol=protocol, quick=quick, data=data)
            results.append(result)
            predictions[result["id"]] = predicted
    return FakeFolder(results, predictions, labels)


def _predict(
    cell: str, labels: NDArray[np.int64], wanted: int, gone: Sequence[int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    predicted = labels.copy()
    unseen = cell.endswith("-noKD-omit3")
    lost = np.isin(labels, [*gone, *([3] if unseen else [])])
    allowed = [one for one in range(10) if one not in gone and not (unseen and one == 3)]
    threes = np.flatnonzero(labels == 3)
    if "omit3" in cell and not unseen:
        few = rng.choice(threes, 79 if "bias" not in cell else 30, replace=False)
        predicted[few] = 8
        wanted = max(0, wanted - len(few))
    others = np.flatnonzero(~lost & (labels != 3)) if "omit3" in cell else np.flatnonzero(~lost)
    wanted = max(0, wanted - int(lost.sum())) if unseen else wanted
    wrong = rng.choice(others, wanted, replace=False)
    changed = np.concatenate([wrong, np.flatnonzero(lost)])
    # A class that may be predicted, other than the true one.
    places = rng.integers(0, len(allowed), len(changed))
    clash = np.asarray(allowed)[places] == labels[changed]
    predicted[changed] = np.asarray(allowed)[(places + clash) % len(allowed)]
    return predicted.astype(np.uint8)


def _result(
    cell: str, seed: int, labels: NDArray[np.int64], predicted: NDArray[np.uint8], **kinds: Any
) -> dict[str, Any]:
    wrong = predicted != labels
    errors = int(wrong.sum())
    never = [one for one in range(10) if one not in predicted]
    kind = cell.partition("-bias-")[2]
    rng = np.random.default_rng([seed, 7, *cell.encode()])
    decay = np.exp(-np.arange(EPOCHS) / 3)
    epochs = [round(errors + 900 * factor + rng.normal(0, 4)) for factor in decay[:-1]] + [errors]
    config = {"cell": cell, "protocol": kinds["protocol"], "quick": kinds["quick"], "learning_rate": 0.01}
    parent = cell.removesuffix(f"-bias-{kind}") if kind else ""
    classes = [3] if "omit3" in cell else [7, 8]
    return {
        "id": config_id(config, seed),
        "name": cell,
        "config": config,
        "seed": seed,
        "test_errors": errors,
        "errors_by_class": [int(wrong[labels == one].sum()) for one in range(10)],
        "never_predicted": never,
        "nll": 0.05,
        "ece": 0.01,
        "teacher_agreement": None if cell.startswith("teacher") else 0.98,
        "teacher_kl": None,
        "curve": None
        if kind
        else {"test_errors": epochs, "never_predicted": [never] * EPOCHS, "train_loss": [0.1] * EPOCHS},
        "correction": {
            "kind": kind,
            "classes": classes,
            "shift": 1.2,
            "parent": config_id({**config, "cell": parent}, seed),
        }
        if kind
        else None,
        "diverged": False,
        "duration_s": 12.5,
        "environment": {
            "python": "3.11.7",
            "torch": "2.15.0",
            "cpu": "a processor",
            "threads": 2,
            "device": "cpu",
            "precision": "fp32",
            "distillkit": "0.1.0",
        },
        "data": {"name": kinds["data"], "sha256": "ab" * 32},
        "protocol": kinds["protocol"],
        "quick": kinds["quick"],
        "tuned_on_test": kind == "test-tuned",
    }
