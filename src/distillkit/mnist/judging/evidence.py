"""The runs of one output folder by cell and seed, as the rules and tables read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from distillkit.errors import ConfigurationError
from distillkit.mnist.experiments.networks import network_predictions, networks_of
from distillkit.mnist.judging.published import PER_CENT, TEST_ERRORS, THREES

Result = Mapping[str, Any]
"""One parsed line of results.jsonl."""

STAND_IN = "stand-in"
SHARE = "share of the gain"
SLOPE = "slope over log T"
DISTANCE = "% of the gradient's length"
OMITTED = 3
"""The digit that the papers omit."""
_T = TypeVar("_T")
_STUDENT = re.compile(r"D(\d+)-(?:noKD|T(\d+(?:\.\d+)?))")


@dataclass(frozen=True)
class Metric:
    """A number read from a result, with the test cases behind it."""

    unit: str
    cases: int
    per_case: float
    """What one wrong case adds to the number."""

    def of(self, result: Result) -> float:
        """The number of one result."""
        if self.unit == THREES:
            return float(result["errors_by_class"][OMITTED])
        return float(result["test_errors"]) * self.per_case


METRICS: Mapping[str, Metric] = {
    TEST_ERRORS: Metric(TEST_ERRORS, 10_000, 1.0),
    THREES: Metric(THREES, 1_010, 1.0),
    PER_CENT: Metric(PER_CENT, 10_000, 0.01),
}


@dataclass(frozen=True)
class Evidence:
    """Results by cell and seed, all of one protocol, one kind of run and one data set."""

    cells: Mapping[str, Mapping[int, Result]]
    """Cell name -> seed -> result; seeds ascending; runs that only choose a shift are left out."""
    protocol: str | None
    quick: bool
    data: Mapping[str, Any] | None
    predictions: Mapping[str, NDArray[np.integer[Any]]]
    """Result id -> predicted classes [cases]; empty when they are not at hand."""
    labels: NDArray[np.integer[Any]] | None
    """True classes [cases]; None when they are not at hand."""
    experiments: Mapping[str, Mapping[int, Result]] = field(default_factory=dict)
    """Name of an experiment -> seed -> its line of experiments.jsonl; seeds ascending."""
    networks: Mapping[str, Mapping[int, Result]] = field(default_factory=dict)
    """Name of an experiment's network, such as `little-data/0.03-soft` -> seed -> its result."""

    @classmethod
    def of(
        cls,
        results: Sequence[Result],
        predictions: Mapping[str, NDArray[np.integer[Any]]] | None = None,
        labels: NDArray[np.integer[Any]] | None = None,
        *,
        experiments: Sequence[Result] = (),
        of_experiments: Mapping[str, Mapping[str, NDArray[np.integer[Any]]]] | None = None,
    ) -> Evidence:
        """Sort results into cells.

        Args:
            results: the parsed lines of results.jsonl, in any order.
            predictions: predicted classes [cases] by result id, and with
            labels: the true classes [cases], what McNemar's test of two single runs needs.
            experiments: the parsed lines of experiments.jsonl, in any order.
            of_experiments: by the id of a line, network -> its predicted classes.

        Raises:
            ConfigurationError: two results of one cell and seed, or results of several protocols, kinds or
                data sets.
        """
        every = [*results, *experiments]
        protocol = _only([result["protocol"] for result in every], "protocol")
        quick = _only([bool(result["quick"]) for result in every], "kind of run (quick or not)")
        digest = _only([(result["data"]["name"], result["data"]["sha256"]) for result in every], "data set")
        cells = _by_name_and_seed(results, "results.jsonl")
        said = dict(predictions or {})
        for line in experiments:
            if of_experiments and line["id"] in of_experiments:
                said |= network_predictions(line, of_experiments[line["id"]])
        shown = {name: by_seed for name, by_seed in cells.items() if not name.endswith("-tuning")}
        data = {"name": digest[0], "sha256": digest[1]} if digest else None
        networks = [network for line in experiments for network in networks_of(line)]
        return cls(
            shown,
            protocol,
            bool(quick),
            data,
            said,
            labels,
            _by_name_and_seed(experiments, "experiments.jsonl"),
            _by_name_and_seed(networks, "experiments.jsonl"),
        )

    @property
    def is_stand_in(self) -> bool:
        """Whether these are not runs on MNIST, so that nothing may be compared with a publication."""
        return self.data is not None and self.data["name"] == STAND_IN

    @property
    def seeds(self) -> list[int]:
        """Every seed that any cell or experiment has, ascending."""
        groups = (self.cells, self.experiments)
        return sorted({seed for group in groups for by_seed in group.values() for seed in by_seed})

    def runs(self, cell: str) -> Mapping[int, Result]:
        """The runs of a cell, an experiment, or a network of one by seed; empty when there are none."""
        return self.cells.get(cell) or self.networks.get(cell) or self.experiments.get(cell, {})

    def values(self, cell: str, metric: Metric) -> dict[int, float]:
        """A number of every run of a cell, by seed."""
        return {seed: metric.of(result) for seed, result in self.runs(cell).items()}

    def wrong_cases(self, result: Result, metric: Metric) -> NDArray[np.bool_] | None:
        """Where a run is wrong, bool [cases that the metric counts]; None when not at hand."""
        predicted = self.predictions.get(result["id"])
        if predicted is None or self.labels is None:
            return None
        wrong = np.asarray(predicted != self.labels)
        return wrong[self.labels == OMITTED] if metric.unit == THREES else wrong

    def grid(self) -> dict[int, dict[float, str]]:
        """Cells distilled on the full transfer set: hidden units -> temperature -> name, ascending."""
        grid: dict[int, dict[float, str]] = {}
        for name in self.cells:
            student = student_of(name)
            if student is not None and student[1] is not None:
                grid.setdefault(student[0], {})[student[1]] = name
        return {hidden: dict(sorted(cells.items())) for hidden, cells in sorted(grid.items())}


def _by_name_and_seed(results: Sequence[Result], file: str) -> dict[str, dict[int, Result]]:
    found: dict[str, dict[int, Result]] = {}
    for result in sorted(results, key=lambda one: (cell_order(one["name"]), one["seed"])):
        by_seed = found.setdefault(result["name"], {})
        if result["seed"] in by_seed:
            raise ConfigurationError(
                f"Expected one result of {result['name']} with seed {result['seed']} but {file} has two; "
                "remove neither: find out which command wrote the second."
            )
        by_seed[result["seed"]] = result
    return found


def student_of(cell: str) -> tuple[int, float | None] | None:
    """Hidden units and temperature (None: no distillation) of a student on the full transfer set, else None.

    Example:
        >>> student_of("D800-T20"), student_of("D30-noKD"), student_of("D800-T20-omit3")
        ((800, 20.0), (30, None), None)
    """
    found = _STUDENT.fullmatch(cell)
    if found is None:
        return None
    return int(found[1]), None if found[2] is None else float(found[2])


def cell_order(cell: str) -> tuple[int, int, float, str]:
    """Sort key: teachers, then the grid by width and temperature, then the other transfer sets by name."""
    student = student_of(cell)
    if student is not None:
        return 1, student[0], student[1] or 0.0, cell
    return (0 if cell.startswith("teacher") else 2), 0, 0.0, cell


def _only(values: Sequence[_T], what: str) -> _T | None:
    distinct = list(dict.fromkeys(values))
    if len(distinct) > 1:
        raise ConfigurationError(
            f"Expected results of one {what} in a folder but got {distinct}; give each its own output folder."
        )
    return distinct[0] if distinct else None
