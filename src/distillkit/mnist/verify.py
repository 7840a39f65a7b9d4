"""Check an output folder without training: recompute every number from the predictions that were kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.errors import DistillkitError
from distillkit.experiments.atomic import manifest_problems
from distillkit.experiments.store import RESULTS, config_id, read_results, read_settings
from distillkit.mnist.ledger import Ledger, build_ledger

LEDGER = "ledger.json"
_NOT_COMPARED = ("generated_by",)
_DIGITS = 10


@dataclass
class VerifyOutcome:
    """What was checked and what did not hold."""

    checked: int = 0
    """Results whose numbers were recomputed from their predictions."""
    problems: list[str] = field(default_factory=list)
    """One sentence a discrepancy: the file, what was expected, what came."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing and no discrepancy: seeds still to come, files that are not passed on."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """The rows of the ledger, rebuilt from the recomputed numbers."""

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.problems


def verify_folder(folder: Path, test_labels: NDArray[np.integer[Any]]) -> VerifyOutcome:
    """Recompute what an output folder claims, from its raw results.

    Errors, errors by class and never predicted classes of each result from its predictions; ids from the
    configurations; seeds 0 to N - 1 of each cell; the ledger, number by number; sizes and digests of
    MANIFEST.json.

    Args:
        folder: the output folder of a reproduction or a sweep.
        test_labels: int [10000], the true classes of the test cases that the runs were tested on.

    Returns:
        What was checked, with a sentence for each thing that does not hold.
    """
    outcome = VerifyOutcome()
    try:
        results = read_results(folder)
        settings = read_settings(folder)
    except DistillkitError as error:
        outcome.problems.append(str(error))
        return outcome
    if not results:
        outcome.problems.append(f"{RESULTS}: expected at least one result but there is none.")
    labels = np.asarray(test_labels)
    predictions: dict[str, NDArray[np.integer[Any]]] = {}
    recomputed = []
    for result in results:
        predicted = _read_predictions(folder, str(result["id"]), len(labels), outcome)
        if predicted is not None:
            predictions[str(result["id"])] = predicted
        recomputed.append(_check_result(result, predicted, labels, outcome))
    _check_cells(results, settings, outcome)
    _check_ledger(folder, recomputed, predictions, labels, outcome)
    outcome.problems += manifest_problems(folder, may_be_absent=["teachers"])
    known = {f"{result['id']}.npy" for result in results}
    spare = sorted(path.name for path in (folder / "predictions").glob("*.npy") if path.name not in known)
    outcome.notes += [f"predictions/{name}: no result refers to it." for name in spare]
    return outcome


def _read_predictions(
    folder: Path, result_id: str, cases: int, outcome: VerifyOutcome
) -> NDArray[np.integer[Any]] | None:
    name = f"predictions/{result_id}.npy"
    try:
        predicted = np.load(folder / name, allow_pickle=False)
    except FileNotFoundError:
        outcome.problems.append(f"{name}: expected the predictions of a result but the file is missing.")
        return None
    except (OSError, ValueError, EOFError):
        outcome.problems.append(f"{name}: expected an array of predictions but it cannot be read as one.")
        return None
    if not isinstance(predicted, np.ndarray) or predicted.dtype != np.uint8 or predicted.shape != (cases,):
        came = (
            f"{predicted.dtype} {list(predicted.shape)}" if isinstance(predicted, np.ndarray) else "no array"
        )
        outcome.problems.append(f"{name}: expected uint8 [{cases}] but it holds {came}.")
        return None
    if predicted.max(initial=0) >= _DIGITS:
        outcome.problems.append(f"{name}: expected classes 0 to 9 but it holds {int(predicted.max())}.")
        return None
    outcome.checked += 1
    return predicted


def _check_result(
    result: Mapping[str, Any],
    predicted: NDArray[np.integer[Any]] | None,
    labels: NDArray[np.integer[Any]],
    outcome: VerifyOutcome,
) -> dict[str, Any]:
    where = f"{RESULTS}, {result['name']} seed {result['seed']} ({result['id']})"
    true_id = config_id(result["config"], result["seed"])
    correction = result.get("correction") or {}
    facts: dict[str, Any] = {"id": true_id, "tuned_on_test": correction.get("kind") == "test-tuned"}
    if predicted is not None:
        wrong = predicted != labels
        facts["test_errors"] = int(wrong.sum())
        facts["errors_by_class"] = np.bincount(labels[wrong], minlength=_DIGITS).tolist()
        facts["never_predicted"] = np.flatnonzero(np.bincount(predicted, minlength=_DIGITS) == 0).tolist()
        if result.get("curve"):
            _compare(
                f"{where}, last of curve.test_errors",
                facts["test_errors"],
                result["curve"]["test_errors"][-1],
                outcome,
            )
    for key, value in facts.items():
        _compare(f"{where}, {key}", value, result.get(key), outcome)
    # The id stays as it is filed, so that the ledger's references can be compared too.
    return {**result, **facts, "id": result["id"]}


def _check_cells(
    results: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], outcome: VerifyOutcome
) -> None:
    seeds_of: dict[str, list[int]] = {}
    ids = {str(result["id"]) for result in results}
    there = {(str(result["name"]), result["seed"]) for result in results}
    for result in results:
        seeds_of.setdefault(str(result["name"]), []).append(int(result["seed"]))
        parent = (result.get("correction") or {}).get("parent")
        if parent is not None and parent not in ids:
            where = f"{RESULTS}, {result['name']} seed {result['seed']}"
            corrected = (str(result["name"]).partition("-bias-")[0], result["seed"])
            if corrected in there:
                outcome.problems.append(
                    f"{where}: expected its parent {parent} among the results but it is missing."
                )
            else:
                outcome.notes.append(f"{where}: the run that it corrects is still to come.")
    planned = settings.get("seeds")
    asked = planned if isinstance(planned, int) else max(map(max, seeds_of.values()), default=-1) + 1
    for cell, seeds in seeds_of.items():
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        outcome.problems += [
            f"{RESULTS}, {cell}: expected one result of seed {seed} but there are several." for seed in twice
        ]
        gaps = sorted(set(range(max(seeds))) - set(seeds))
        if gaps:
            outcome.problems.append(
                f"{RESULTS}, {cell}: expected every seed from 0 to {max(seeds)} but {_list(gaps)} missing."
            )
        to_come = list(range(max(seeds) + 1, asked))
        if to_come:
            outcome.notes.append(
                f"{cell} is not complete: {_list(to_come)} still to come of 0 to {asked - 1}."
            )


def _check_ledger(
    folder: Path,
    results: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, NDArray[np.integer[Any]]],
    labels: NDArray[np.integer[Any]],
    outcome: VerifyOutcome,
) -> None:
    filed = _read_ledger(folder, outcome)
    exact = filed is None or filed.get("one_seed_test") == "exact McNemar test"
    command = filed.get("command") if filed else None
    try:
        rebuilt = build_ledger(
            results,
            predictions=predictions if exact else None,
            labels=labels if exact else None,
            command=command if isinstance(command, str) else None,
        )
    except DistillkitError as error:
        outcome.problems.append(str(error))
        return
    outcome.rows = rebuilt["rows"]
    if filed is None:
        return
    for key, value in rebuilt.items():
        if key not in ("rows", *_NOT_COMPARED):
            _compare(f"{LEDGER}, {key}", value, filed.get(key), outcome)
    rows = {row.get("id"): row for row in filed.get("rows", []) if isinstance(row, dict)}
    for row in rebuilt["rows"]:
        there = rows.pop(row["id"], None)
        if there is None:
            outcome.problems.append(f"{LEDGER}: expected a row {row['id']} but there is none.")
            continue
        for key, value in row.items():
            _compare(f"{LEDGER}, {row['id']}, {key}", value, there.get(key), outcome)
    outcome.problems += [f"{LEDGER}: expected no row {name} but there is one." for name in rows]


def _read_ledger(folder: Path, outcome: VerifyOutcome) -> Ledger | None:
    try:
        filed = json.loads((folder / LEDGER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        outcome.problems.append(f"{LEDGER}: expected the ledger but the file is missing.")
        return None
    except (OSError, ValueError):
        outcome.problems.append(f"{LEDGER}: expected JSON but it cannot be read.")
        return None
    if not isinstance(filed, dict):
        outcome.problems.append(f"{LEDGER}: expected a JSON object but it holds {type(filed).__name__}.")
        return None
    return filed


def _compare(where: str, expected: Any, came: Any, outcome: VerifyOutcome) -> None:
    if not _alike(expected, came):
        outcome.problems.append(f"{where}: expected {expected!r} (recomputed) but it says {came!r}.")


def _alike(expected: Any, came: Any) -> bool:
    """Equal; numbers up to the last bits, in which two versions of a numerical library may differ."""
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        # JSON has string keys only.
        return set(map(str, expected)) == set(came) and all(
            _alike(value, came[str(key)]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(came, list):
        return len(expected) == len(came) and all(map(_alike, expected, came))
    if isinstance(expected, float) and isinstance(came, int | float) and not isinstance(came, bool):
        return math.isclose(expected, came, rel_tol=1e-9, abs_tol=1e-12)
    return type(expected) is type(came) and bool(expected == came)


def _list(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]} is" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} are"
