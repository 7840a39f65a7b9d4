"""The experiment: How far students are from one that matches centred logits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from distillkit.mnist.experiments.experiment import Experiment, Labels, Lines, Predictions, Results, wrong
from distillkit.mnist.experiments.inputs import ExperimentInputs
from distillkit.mnist.experiments.logit_matching_students.measure import (
    STUDENT_TEMPERATURES,
    student_distances,
)
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.wording import errors, passes, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LogitMatchingStudents(Experiment):
    """How far students are from one that matches centred logits."""

    name = "logit-matching-students"
    asked_by = "H10"
    title = "How far students are from one that matches centred logits"
    question = "And do the students become the same?"
    trains = len(STUDENT_TEMPERATURES) + 3
    settings: Mapping[str, Any] = {"temperatures": STUDENT_TEMPERATURES}

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        return student_distances(
            inputs.the_teacher,
            inputs.recipe,
            inputs.train,
            inputs.test,
            seed=inputs.seed,
            epochs=inputs.epochs,
            **self.settings,
        )

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return (
            f"Students of soft targets alone at several T, {passes(config)}, and one that matches the "
            "centred logits; all from the same initial values and in the same order."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        of = partial(errors, self, lines)

        def others(name: str) -> str:
            return spread(
                [
                    line["found"]["cases"] * (1 - line["found"]["students"][name]["agreement"])
                    for line in lines
                ]
            )

        hot = [name for name in lines[0]["found"]["students"] if name.startswith("T=")]
        return (
            f"Of {lines[0]['found']['cases']:,} test cases, the student of {hot[0]} puts {others(hot[0])} "
            f"into another class than the one that matches centred logits, the student of {hot[-1]} "
            f"{others(hot[-1])}. Chance alone, another seed of the same loss, makes {others('twin')} "
            f"differ, and matching the logits as they are {others('uncentred')}. Test errors: matching "
            f"{of('matching')}, {hot[0]} {of(hot[0])}, {hot[-1]} {of(hot[-1])}."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.logit_matching_students.figure import student_distances_figure

        return student_distances_figure(results)

    def errors(self, numbers: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the test errors by network."""
        return {network: student["test_errors"] for network, student in numbers["students"].items()}

    def recount(self, numbers: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
        """Return the numbers with every count of errors made anew."""
        return {
            **numbers,
            "students": {
                name: {
                    **student,
                    "test_errors": wrong(predictions[name], labels),
                    "agreement": float((predictions[name] == predictions["matching"]).mean()),
                }
                for name, student in numbers["students"].items()
            },
        }
