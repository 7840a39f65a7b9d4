"""The trained networks of an experiment, each as a result by itself, which rules read like a cell's run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.experiments.recount import Predictions, part

STOPPED = "-stopped"
"""Ends the name of a student as it was when the held-out cases would have stopped it."""


def errors_by_network(name: str, found: Mapping[str, Any]) -> dict[str, int]:
    """The test errors of each network of an experiment, without those that diverged before they were counted.

    Args:
        name: Of the experiment.
        found: Its numbers.

    Example:
        >>> errors_by_network("hard-weight", {"weights": [0.0, 0.1], "test_errors": [90, 88]})
        {'0': 90, '0.1': 88}
    """
    errors: dict[str, int | None] = {}
    if name == "hard-weight":
        errors = {
            f"{weight:g}": one for weight, one in zip(found["weights"], found["test_errors"], strict=True)
        }
    elif name == "logit-matching-students":
        errors = {network: student["test_errors"] for network, student in found["students"].items()}
    elif name == "little-data":
        errors = {"teacher": found["teacher_errors"]}
        for student in found["students"]:
            network = part(student["fraction"], student["targets"])
            errors |= {network: student["last"], network + STOPPED: student["best"]}
    elif name == "specialists":
        errors = dict(found["test_errors"])
    return {network: one for network, one in errors.items() if one is not None}


def networks_of(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A result of each network, named after the experiment and it: `little-data/0.03-soft`.

    Args:
        line: Of experiments.jsonl.
    """
    shared = {key: value for key, value in line.items() if key != "found"}
    return [
        {
            **shared,
            "id": _id(line, network),
            "name": f"{line['name']}/{network}",
            "test_errors": errors,
            "cases": line["found"]["cases"],
        }
        for network, errors in errors_by_network(str(line["name"]), line["found"]).items()
    ]


def network_predictions(
    line: Mapping[str, Any], predictions: Predictions
) -> dict[str, NDArray[np.integer[Any]]]:
    """What each network predicts, `[cases]`, by the id of its result.

    Args:
        line: Of experiments.jsonl.
        predictions: Those kept with it.
    """
    said = {network: predictions[network] for network in predictions}
    if line["name"] == "little-data":
        said = {"teacher": predictions["teacher"], **_ends(line["found"], predictions)}
    return {_id(line, network): classes for network, classes in said.items()}


def _ends(found: Mapping[str, Any], predictions: Predictions) -> dict[str, NDArray[np.integer[Any]]]:
    said = {}
    for student in found["students"]:
        network = part(student["fraction"], student["targets"])
        if len(predictions[network]):
            said[network] = predictions[network][-1]
            said[network + STOPPED] = predictions[network][student["updates"].index(student["best_updates"])]
    return said


def _id(line: Mapping[str, Any], network: str) -> str:
    return f"{line['id']}/{network}"
