"""Check an output folder without training: recompute every number from the predictions that were kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.errors import DistillkitError
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.few_names import few_of
from distillkit.mnist.judging.ledger import build_ledger
from distillkit.mnist.verifying.experiments import check_experiments
from distillkit.mnist.verifying.likeness import check_likeness
from distillkit.mnist.verifying.outcome import VerifyOutcome as VerifyOutcome
from distillkit.workbench.results.atomic import manifest_problems
from distillkit.workbench.results.store import (
    EXPERIMENTS,
    RESULTS,
    config_id,
    read_experiments,
    read_results,
    read_settings,
)

LEDGER = "ledger.json"
_NOT_COMPARED = ("generated_by",)
_DIGITS = 10


def verify_folder(folder: Path, test_labels: NDArray[np.integer[Any]]) -> VerifyOutcome:
    """Recompute what an output folder claims, from its raw results.

    Errors, errors by class and never predicted classes of each result from its predictions, and how like its
    teacher it is from those of both; every count of errors of each experiment; ids from the configurations;
    seeds 0 to N - 1 of each cell; the ledger, number by number; sizes and digests of MANIFEST.json.

    Args:
        folder: the output folder of a reproduction or a sweep.
        test_labels: int [10000], the true classes of the test cases that the runs were tested on.

    Returns:
        What was checked, with a sentence for each thing that does not hold.
    """
    outcome = VerifyOutcome()
    try:
        results, experiments = read_results(folder), read_experiments(folder)
        settings = read_settings(folder)
    except DistillkitError as error:
        outcome.problems.append(str(error))
        return outcome
    if not results and not experiments:
        outcome.problems.append(f"{RESULTS}: expected at least one result but there is none.")
    labels = np.asarray(test_labels)
    predictions: dict[str, NDArray[np.integer[Any]]] = {}
    recomputed = []
    for result in results:
        predicted = _read_predictions(folder, str(result["id"]), len(labels), outcome)
        if predicted is not None:
            predictions[str(result["id"])] = predicted
        recomputed.append(_check_result(result, predicted, labels, outcome))
    recounted, of_experiments = check_experiments(folder, experiments, labels, outcome)
    check_likeness(results, predictions, labels, outcome)
    _check_parents(results, outcome)
    for file, lines in ((RESULTS, results), (EXPERIMENTS, experiments)):
        _check_seeds(file, lines, settings, outcome)

    # only where a ledger was made with predictions does it compare single runs by them
    def evidence(*, exact: bool) -> Evidence:
        if not exact:
            return Evidence.of(recomputed, experiments=recounted)
        return Evidence.of(
            recomputed, predictions, labels, experiments=recounted, of_experiments=of_experiments
        )

    _check_ledger(folder, evidence, outcome)
    outcome.problems += manifest_problems(folder, may_be_absent=["teachers"])
    known = {f"{result['id']}.npy" for result in results} | {f"{line['id']}.npz" for line in experiments}
    spare = sorted(path.name for path in (folder / "predictions").glob("*.np[yz]") if path.name not in known)
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
            outcome.compare(
                f"{where}, last of curve.test_errors",
                facts["test_errors"],
                result["curve"]["test_errors"][-1],
            )
    for key, value in facts.items():
        outcome.compare(f"{where}, {key}", value, result.get(key))
    # The id stays as it is filed, so that the ledger's references can be compared too.
    return {**result, **facts, "id": result["id"]}


def _check_parents(results: Sequence[Mapping[str, Any]], outcome: VerifyOutcome) -> None:
    ids = {str(result["id"]) for result in results}
    there = {(str(result["name"]), result["seed"]) for result in results}
    for result in results:
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


def _check_seeds(
    file: str, lines: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], outcome: VerifyOutcome
) -> None:
    seeds_of: dict[str, list[int]] = {}
    for line in lines:
        seeds_of.setdefault(str(line["name"]), []).append(int(line["seed"]))
    planned = settings.get("seeds")
    asked = planned if isinstance(planned, int) else max(map(max, seeds_of.values()), default=-1) + 1
    to_come: dict[range, list[str]] = {}
    for cell, seeds in seeds_of.items():
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        outcome.problems += [
            f"{file}, {cell}: expected one result of seed {seed} but there are several." for seed in twice
        ]
        gaps = sorted(set(range(max(seeds))) - set(seeds))
        if gaps:
            outcome.problems.append(
                f"{file}, {cell}: expected every seed from 0 to {max(seeds)} but {_list(gaps)} missing."
            )
        to_come.setdefault(range(max(seeds) + 1, asked), []).append(cell)
    outcome.notes += [
        f"{few_of(cells)}: not complete, {_list(missing)} still to come of 0 to {asked - 1}."
        for missing, cells in to_come.items()
        if missing
    ]


def _check_ledger(folder: Path, evidence: Callable[..., Evidence], outcome: VerifyOutcome) -> None:
    filed = _read_ledger(folder, outcome)
    exact = filed is None or filed.get("one_seed_test") == "exact McNemar test"
    command = filed.get("command") if filed else None
    try:
        rebuilt = build_ledger(evidence(exact=exact), command=command if isinstance(command, str) else None)
    except DistillkitError as error:
        outcome.problems.append(str(error))
        return
    except (KeyError, IndexError, TypeError, ValueError) as error:
        outcome.problems.append(f"{LEDGER}: it cannot be rebuilt, since a result lacks or mistakes {error}.")
        return
    outcome.rows = rebuilt["rows"]
    if filed is None:
        return
    for key, value in rebuilt.items():
        if key not in ("rows", *_NOT_COMPARED):
            outcome.compare(f"{LEDGER}, {key}", value, filed.get(key))
    rows = {row.get("id"): row for row in filed.get("rows", []) if isinstance(row, dict)}
    for row in rebuilt["rows"]:
        there = rows.pop(row["id"], None)
        if there is None:
            outcome.problems.append(f"{LEDGER}: expected a row {row['id']} but there is none.")
            continue
        for key, value in row.items():
            outcome.compare(f"{LEDGER}, {row['id']}, {key}", value, there.get(key))
    outcome.problems += [f"{LEDGER}: expected no row {name} but there is one." for name in rows]


def _read_ledger(folder: Path, outcome: VerifyOutcome) -> dict[str, Any] | None:
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


def _list(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]} is" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} are"
