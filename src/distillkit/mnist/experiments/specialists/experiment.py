"""The experiment: Specialists for confusable classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from distillkit.losses import HardLabels
from distillkit.mnist.experiments.experiment import Experiment, Labels, Lines, Predictions, Results, wrong
from distillkit.mnist.experiments.inputs import HARD_LABEL_WEIGHT, ExperimentInputs
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.specialists.measure import specialists
from distillkit.mnist.experiments.wording import errors, passes
from distillkit.mnist.protocols.protocol import Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Specialists(Experiment):
    """Specialists for confusable classes."""

    name = "specialists"
    asked_by = "H14"
    title = "Specialists for confusable classes"
    question = (
        "Do specialists for the classes that a generalist confuses mend its errors, and can one net learn "
        "from all of them?"
    )
    trains = 6
    settings: Mapping[str, Any] = {"clusters": 4, "temperature": 4.0, "hard_label_weight": HARD_LABEL_WEIGHT}
    needs_teacher = False

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        return specialists(
            inputs.trained(inputs.narrow, HardLabels()),
            inputs.narrow,
            inputs.train,
            inputs.test,
            seed=inputs.seed,
            specialist_epochs=inputs.epochs,
            epochs=inputs.epochs,
            **self.settings,
        )

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return (
            f"A generalist of {config['network']['hidden_units'][0]} units a layer; specialists begin "
            f"as copies of it, the other classes in one dustbin, and are trained for {passes(config)}, half "
            "of their cases special ones. All are asked together by the q that minimises the sum of the KL "
            "divergences."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        of = partial(errors, self, lines)
        groups = "; ".join(
            "{" + ", ".join(map(str, group["classes"])) + "}" for group in lines[0]["found"]["groups"]
        )
        return (
            f"The classes that seed {lines[0]['seed']} finds confusable: {groups or 'none'}. The generalist "
            f"alone makes {of('generalist')} test errors, with its specialists "
            f"{of('panel')} ({of('uncorrected')} where their dustbins are not "
            "corrected). The fair comparison: trained on for as many passes, the generalist alone makes "
            f"{of('trained_on')}. One net distilled from all of them makes "
            f"{of('from_panel')}, one distilled from the generalist alone "
            f"{of('from_generalist')}."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.specialists.figure import specialists_figure

        return specialists_figure(results)

    def errors(self, numbers: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the test errors by network."""
        return dict(numbers["test_errors"])

    def recount(self, numbers: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
        """Return the numbers with every count of errors made anew."""
        groups = []
        for group in numbers["groups"]:
            # a specialist is asked where the generalist's best class is special to it
            asked = np.isin(predictions["generalist"], group["classes"])
            groups.append(
                {
                    **group,
                    "asked": int(asked.sum()),
                    "generalist_errors": wrong(predictions["generalist"][asked], labels[asked]),
                    "panel_errors": wrong(predictions["panel"][asked], labels[asked]),
                }
            )
        errors = {name: wrong(predictions[name], labels) for name in numbers["test_errors"]}
        return {**numbers, "groups": groups, "test_errors": errors}

    def epochs(self, protocol: Protocol) -> int:
        """Return the protocol's: its nets are narrow."""
        return protocol.student_training.epochs
