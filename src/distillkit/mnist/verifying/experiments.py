"""Check the experiments of a folder: every count of errors again, from the predictions of every network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.verifying.outcome import VerifyOutcome
from distillkit.workbench.results.store import EXPERIMENTS, config_id

Predictions = dict[str, NDArray[np.integer[Any]]]
_DIGITS = 10


def check_experiments(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    labels: NDArray[np.integer[Any]],
    outcome: VerifyOutcome,
) -> tuple[list[dict[str, Any]], dict[str, Predictions]]:
    """Recompute the identities and the counts of experiments.

    Args:
        folder: the output folder.
        lines: of its experiments.jsonl.
        labels: int [cases], the true classes of the test cases.
        outcome: where discrepancies are noted.

    Returns:
        The lines with the recomputed numbers, and the predictions by the lines' ids.
    """
    recounted, kept = [], {}
    for line in lines:
        where = f"{EXPERIMENTS}, {line['name']} seed {line['seed']} ({line['id']})"
        outcome.compare(f"{where}, id", config_id(line["config"], line["seed"]), line["id"])
        outcome.compare(f"{where}, tuned_on_test", False, line.get("tuned_on_test"))
        found = line["found"]
        if CATALOGUE[str(line["name"])].counts_errors:
            predictions = _read(folder, str(line["id"]), outcome)
            if predictions is not None:
                kept[str(line["id"])] = predictions
                found = _recounted(line, predictions, labels, where, outcome)
        recounted.append({**line, "found": found, "tuned_on_test": False})
    plain = sorted({name for line in lines if not CATALOGUE[name := str(line["name"])].counts_errors})
    if plain:
        outcome.notes.append(
            f"{EXPERIMENTS}: {', '.join(plain)} count no errors, so there are no predictions to recompute "
            "their numbers from; identities and digests are checked."
        )
    return recounted, kept


def _recounted(
    line: Mapping[str, Any],
    predictions: Predictions,
    labels: NDArray[np.integer[Any]],
    where: str,
    outcome: VerifyOutcome,
) -> Mapping[str, Any]:
    written: Mapping[str, Any] = line["found"]
    try:
        found = CATALOGUE[str(line["name"])].recount(written, predictions, labels)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        outcome.problems.append(
            f"{where}: expected predictions of every network that is counted but they do not fit ({error})."
        )
        return written
    for key, value in found.items():
        outcome.compare(f"{where}, {key}", value, written.get(key))
    outcome.checked += 1
    return found


def _read(folder: Path, line_id: str, outcome: VerifyOutcome) -> Predictions | None:
    name = f"predictions/{line_id}.npz"
    try:
        with np.load(folder / name, allow_pickle=False) as kept:
            predictions = {network: np.asarray(kept[network]) for network in kept.files}
    except FileNotFoundError:
        outcome.problems.append(f"{name}: expected the predictions of an experiment but the file is missing.")
        return None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        outcome.problems.append(f"{name}: expected arrays of predictions but it cannot be read as such.")
        return None
    for network, classes in predictions.items():
        if classes.dtype != np.uint8 or classes.max(initial=0) >= _DIGITS:
            outcome.problems.append(
                f"{name}, {network}: expected classes 0 to 9 as uint8 but it holds {classes.dtype} up to "
                f"{classes.max(initial=0)}."
            )
            return None
    return predictions
