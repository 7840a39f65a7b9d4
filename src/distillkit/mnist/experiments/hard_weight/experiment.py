"""The experiment: Errors by the weight of the hard labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from distillkit.mnist.experiments.experiment import Experiment, Labels, Lines, Predictions, Results, wrong
from distillkit.mnist.experiments.hard_weight.measure import HARD_LABEL_WEIGHTS, hard_weight_errors
from distillkit.mnist.experiments.inputs import TEMPERATURE, ExperimentInputs
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.wording import errors, passes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HardWeight(Experiment):
    """Errors by the weight of the hard labels."""

    name = "hard-weight"
    asked_by = "H9"
    title = "Errors by the weight of the hard labels"
    question = "How much should the true labels count beside the soft targets?"
    trains = len(HARD_LABEL_WEIGHTS)
    settings: Mapping[str, Any] = {"temperature": TEMPERATURE, "weights": HARD_LABEL_WEIGHTS}

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        return hard_weight_errors(
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
            f"A student for each weight of the hard labels, T = {config['temperature']:g}, "
            f"{passes(config)}, from the same initial values and in the same order."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        of = partial(errors, self, lines)
        weights = lines[0]["found"]["weights"]
        means = [
            sum(line["found"]["test_errors"][place] for line in lines) / len(lines)
            for place in range(len(weights))
        ]
        best = weights[min(range(len(weights)), key=means.__getitem__)]
        return (
            f"Soft targets alone end at {of('0')} test errors, hard labels alone at "
            f"{of('1')}; a tenth of the hard labels gives {of('0.1')}, a half "
            f"{of('0.5')}. The fewest, {of(f'{best:g}')}, are at a weight of {best:g}: "
            "this one was **read off the test set**, and no claim rests on it."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.hard_weight.figure import hard_weight_figure

        return hard_weight_figure(results)

    def errors(self, numbers: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the test errors by network."""
        return {
            f"{weight:g}": count
            for weight, count in zip(numbers["weights"], numbers["test_errors"], strict=True)
        }

    def recount(self, numbers: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
        """Return the numbers with every count of errors made anew."""
        return {
            **numbers,
            "test_errors": [wrong(predictions[f"{weight:g}"], labels) for weight in numbers["weights"]],
        }
