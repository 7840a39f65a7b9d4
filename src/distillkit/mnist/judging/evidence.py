"""The runs of one output folder by cell and seed, as the rules and tables read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.records import RunLine
from distillkit.mnist.experiments.networks import network_predictions, networks_of
from distillkit.mnist.judging.units import OMITTED, THREES, Unit
from distillkit.workbench import read_experiments, read_results

Result = RunLine
"""One line of results.jsonl, of experiments.jsonl, or of a network of an experiment."""

STAND_IN = "stand-in"
_T = TypeVar("_T")
_STUDENT = re.compile(r"D(\d+)-(?:noKD|T(\d+(?:\.\d+)?))")


@dataclass(frozen=True)
class Evidence:
    """Results by cell and seed, all of one protocol, one kind of run and one data set."""

    results: Sequence[Result]
    """The lines of results.jsonl, in their order."""
    lines: Sequence[Result]
    """The lines of experiments.jsonl, in their order."""
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
        results: Sequence[Mapping[str, Any]],
        predictions: Mapping[str, NDArray[np.integer[Any]]] | None = None,
        labels: NDArray[np.integer[Any]] | None = None,
        *,
        experiments: Sequence[Mapping[str, Any]] = (),
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
            cast("Sequence[Result]", list(results)),
            cast("Sequence[Result]", list(experiments)),
            shown,
            protocol,
            bool(quick),
            data,
            said,
            labels,
            _by_name_and_seed(experiments, "experiments.jsonl"),
            _by_name_and_seed(networks, "experiments.jsonl"),
        )

    @classmethod
    def read(cls, folder: Path, labels: NDArray[np.integer[Any]] | None = None) -> Evidence:
        """Read a folder of results.

        Args:
            folder: The output folder of a reproduction or a sweep.
            labels: True classes [cases]; with them the kept predictions are read too.

        Raises:
            ConfigurationError: A line cannot be read, or the lines do not belong together.
        """
        results, lines = read_results(folder), read_experiments(folder)
        if labels is None:
            return cls.of(results, experiments=lines)
        files = {str(line["id"]): folder / "predictions" / f"{line['id']}.npy" for line in results}
        predictions = {key: np.load(file, allow_pickle=False) for key, file in files.items() if file.exists()}
        of_experiments = {}
        for line in lines:
            file = folder / "predictions" / f"{line['id']}.npz"
            if file.exists():
                with np.load(file, allow_pickle=False) as kept:
                    of_experiments[str(line["id"])] = {network: kept[network] for network in kept.files}
        return cls.of(results, predictions, labels, experiments=lines, of_experiments=of_experiments)

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

    def values(self, cell: str, unit: Unit) -> dict[int, float]:
        """A number of every run of a cell, by seed."""
        return {seed: unit.of(result) for seed, result in self.runs(cell).items()}

    def wrong_cases(self, result: Result, unit: Unit) -> NDArray[np.bool_] | None:
        """Where a run is wrong, bool [cases that the unit counts]; None when not at hand."""
        predicted = self.predictions.get(result["id"])
        if predicted is None or self.labels is None:
            return None
        wrong = np.asarray(predicted != self.labels)
        return wrong[self.labels == OMITTED] if unit is THREES else wrong

    def grid(self) -> dict[int, dict[float, str]]:
        """Cells distilled on the full transfer set: hidden units -> temperature -> name, ascending."""
        grid: dict[int, dict[float, str]] = {}
        for name in self.cells:
            student = student_of(name)
            if student is not None and student[1] is not None:
                grid.setdefault(student[0], {})[student[1]] = name
        return {hidden: dict(sorted(cells.items())) for hidden, cells in sorted(grid.items())}


def _by_name_and_seed(results: Sequence[Mapping[str, Any]], file: str) -> dict[str, dict[int, Result]]:
    found: dict[str, dict[int, Result]] = {}
    for result in sorted(results, key=lambda one: (cell_order(one["name"]), one["seed"])):
        by_seed = found.setdefault(result["name"], {})
        if result["seed"] in by_seed:
            raise ConfigurationError(
                f"Expected one result of {result['name']} with seed {result['seed']} but {file} has two; "
                "remove neither: find out which command wrote the second."
            )
        by_seed[result["seed"]] = cast("Result", result)
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
