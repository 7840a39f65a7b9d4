"""The experiment: What the teacher knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from distillkit.mnist.experiments.dark_knowledge.measure import TEMPERATURES, dark_knowledge
from distillkit.mnist.experiments.experiment import Experiment, Lines, Results
from distillkit.mnist.experiments.inputs import ExperimentInputs
from distillkit.mnist.experiments.measured import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DarkKnowledge(Experiment):
    """The knowledge of the teacher."""

    name = "dark-knowledge"
    asked_by = "dark-knowledge"
    title = "What the teacher knows"
    question = "What does a teacher know beyond the right answer?"
    trains = 0
    settings: Mapping[str, Any] = {"temperatures": TEMPERATURES, "digit": 2, "lookalikes": (3, 7), "shown": 6}
    counts_errors = False

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        return Measured(dark_knowledge(inputs.the_teacher, inputs.test, **self.settings))

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return (
            "The teacher's probabilities for test digits that it gets right, at "
            f"T = {', '.join(f'{each:g}' for each in config['temperatures'])}."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        found = lines[0]["found"]
        first, second = found["lookalikes"]
        one, other = (likest[0]["soft_targets"][0] if likest else None for likest in found["versions"])
        if one is None or other is None:
            return f"The teacher gets no {found['digit']} right."
        return (
            f"The {found['digit']} that looks most like a {first} has, at T = {found['temperatures'][0]:g}, "
            f"a probability of {one[first]:.1g} of being a {first} and of {one[second]:.1g} of being a "
            f"{second}; the one most like a {second}, {other[first]:.1g} and {other[second]:.1g}. These "
            "differences are what a student learns beside the right answer, and a temperature makes them "
            f"large enough to be learnt (seed {lines[0]['seed']})."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.dark_knowledge.figure import dark_knowledge_figure

        return dark_knowledge_figure(results)
