"""The experiment: The gradient of the soft targets by temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from distillkit.mnist.experiments.experiment import Experiment, Lines, Results
from distillkit.mnist.experiments.gradients import TEMPERATURES
from distillkit.mnist.experiments.inputs import CASES_PROBED, ExperimentInputs
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.t_squared.measure import gradient_norms
from distillkit.mnist.experiments.wording import listed, probed, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TSquared(Experiment):
    """The gradient of the soft targets by temperature."""

    name = "t-squared"
    asked_by = "H9"
    title = "The gradient of the soft targets by temperature"
    question = (
        "At a high temperature, soft targets give small gradients. How small, and does a factor of T² make "
        "up for it?"
    )
    trains = 1
    settings: Mapping[str, Any] = {"temperatures": TEMPERATURES}
    counts_errors = False
    looks_at_a_student = True

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        images, labels = inputs.test[0][:CASES_PROBED], inputs.test[1][:CASES_PROBED]
        return Measured(gradient_norms(inputs.students, inputs.the_teacher, images, labels, **self.settings))

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return f"The gradient of the soft targets is looked at, with T² and without, on {probed(config)}."

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        slopes = {
            kind: {
                name: spread([line["found"]["students"][name]["slope"][kind]["logits"] for line in lines], 2)
                for name in lines[0]["found"]["students"]
            }
            for kind in ("without_t_squared", "with_t_squared")
        }
        without, within = (listed(by_student) for by_student in slopes.values())
        return (
            "From T = 100 on, the length of the gradient with respect to a case's logits changes as a power "
            f"of T. Without the factor that power is {without} (−2 is exactly 1/T²); with it, {within} (0: "
            "the weight of the soft targets no longer depends on T)."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.t_squared.figure import gradient_norms_figure

        return gradient_norms_figure(results)
