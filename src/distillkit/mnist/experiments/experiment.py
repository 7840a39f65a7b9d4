"""An experiment of several networks: its question, how it runs, and what follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.experiments.inputs import ExperimentInputs
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.protocols.protocol import Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Lines = Sequence[Mapping[str, Any]]
"""Lines of one experiment in experiments.jsonl, one of each seed, seeds ascending."""
Results = Sequence[Mapping[str, Any]]
"""The numbers that an experiment measured, one of each seed."""
Predictions = Mapping[str, NDArray[np.integer[Any]]]
"""Name of a network -> its classes, `[cases]`."""
Labels = NDArray[np.integer[Any]]
MOST_EPOCHS = 60
"""Most epochs of a student of 800 units. Some experiments train a dozen on every seed, and compare them with
each other alone: what differs between them shows after sixty passes, and the suite stays within the hour."""


class Experiment(ABC):
    """One experiment, the same for every seed.

    Attributes:
        name: As it stands in results, file names and claims.
        asked_by: The id by which `--only` asks for it.
        title: Of its figure and its section of the report.
        question: What it asks, for the report.
        trains: How many times a student is trained on all cases, or as long.
        settings: What it is measured with beside networks, cases, seed and epochs; part of its identity.
        needs_teacher: Whether it asks the teacher of its seed.
        counts_steps: Whether its students need a schedule that counts steps.
        counts_errors: Whether it counts errors, so that there must be predictions of it.
        looks_at_a_student: Whether it looks at the gradients of a student, trained and not.
    """

    name: ClassVar[str]
    asked_by: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    trains: ClassVar[int]
    settings: Mapping[str, Any]
    needs_teacher: ClassVar[bool] = True
    counts_steps: ClassVar[bool] = False
    counts_errors: ClassVar[bool] = True
    looks_at_a_student: ClassVar[bool] = False

    @abstractmethod
    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""

    @abstractmethod
    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it, from the configuration of its results."""

    @abstractmethod
    def answer(self, lines: Lines) -> str:
        """Return what came of it; every number is taken from the results."""

    @abstractmethod
    def figure(self, results: Results) -> Figure:
        """Draw it."""

    def epochs(self, protocol: Protocol) -> int:
        """Return the passes of each student over the training cases: the protocol's, or `MOST_EPOCHS`."""
        return min(protocol.student_training.epochs, MOST_EPOCHS)

    def errors(self, numbers: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the test errors by network; None of one that diverged before they were counted."""
        return {}

    def recount(self, numbers: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
        """Return the numbers with every count of errors made anew.

        Args:
            numbers: As they were filed.
            predictions: Name of a network -> classes.
            labels: True classes of the test cases.

        Returns:
            The same as `numbers` where every count holds.

        Raises:
            KeyError: The predictions of a network are missing.
            IndexError: There are fewer of them than counts.
        """
        return dict(numbers)

    def predictions_by_network(self, numbers: Mapping[str, Any], kept: Predictions) -> Predictions:
        """Return what each network that `errors` names predicts, from what is kept."""
        return kept


def wrong(classes: NDArray[np.integer[Any]], labels: Labels) -> int:
    """Return the number of wrong cases."""
    return int((classes != labels).sum())
