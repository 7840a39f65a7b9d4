"""The trained networks of an experiment, each as a result by itself, which rules read like a cell's run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.experiment import Predictions


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
        for network, errors in CATALOGUE[str(line["name"])].errors(line["found"]).items()
        if errors is not None
    ]


def network_predictions(
    line: Mapping[str, Any], predictions: Predictions
) -> dict[str, NDArray[np.integer[Any]]]:
    """Return the predictions of each network, `[cases]`, by the id of its result.

    Args:
        line: Of experiments.jsonl.
        predictions: Those kept with it.
    """
    by_network = CATALOGUE[str(line["name"])].predictions_by_network(line["found"], predictions)
    return {_id(line, network): classes for network, classes in by_network.items()}


def _id(line: Mapping[str, Any], network: str) -> str:
    return f"{line['id']}/{network}"
