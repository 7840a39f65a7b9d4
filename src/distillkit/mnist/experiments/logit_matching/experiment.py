"""The experiment: From soft targets to matching logits: the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from distillkit.mnist.experiments.experiment import Experiment, Lines, Results
from distillkit.mnist.experiments.gradients import TEMPERATURES
from distillkit.mnist.experiments.inputs import CASES_PROBED, ExperimentInputs
from distillkit.mnist.experiments.logit_matching.measure import gradient_distances
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.wording import listed, probed, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LogitMatchingGradients(Experiment):
    """From soft targets to matching logits: the gradients."""

    name = "logit-matching"
    asked_by = "H10"
    title = "From soft targets to matching logits: the gradients"
    question = "Is matching the teacher's logits what soft targets become at a high temperature?"
    trains = 1
    settings: Mapping[str, Any] = {"temperatures": TEMPERATURES}
    counts_errors = False
    looks_at_a_student = True

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        images = inputs.test[0][:CASES_PROBED]
        return Measured(gradient_distances(inputs.students, inputs.the_teacher, images, **self.settings))

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return (
            "T² times the gradient of the soft targets is held against that of half the squared "
            f"difference of the logits, on {probed(config)}."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        temperatures = lines[0]["found"]["temperatures"]

        def away(name: str, temperature: float) -> str:
            place = temperatures.index(temperature)
            found = [
                line["found"]["students"][name]["centred"]["logits"]["relative_l2"][place] for line in lines
            ]
            return f"{spread([100 * one for one in found])} % at T = {temperature:g}"

        names = list(lines[0]["found"]["students"])
        each = [
            f"at the {name} student the two gradients are {away(name, 20)}, {away(name, 100)} and "
            f"{away(name, 1000)} apart"
            for name in names
        ]
        floors = listed(
            {
                name: f"{spread([100 * line['found']['students'][name]['floor'] for line in lines])} %"
                for name in names
            }
        )
        return (
            f"With the logits centred case by case, {'; '.join(each)}. As the logits are, a "
            f"distance of {floors} stays at any temperature: the part along (1, …, 1), which no softmax sees."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.logit_matching.figure import gradient_distances_figure

        return gradient_distances_figure(results)
