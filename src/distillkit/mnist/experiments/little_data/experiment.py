"""The experiment: Soft targets instead of data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from distillkit.mnist.experiments.experiment import Experiment, Labels, Lines, Predictions, Results, wrong
from distillkit.mnist.experiments.inputs import HARD_LABEL_WEIGHT, TEMPERATURE, ExperimentInputs
from distillkit.mnist.experiments.little_data.measure import (
    FRACTIONS,
    HELD_OUT_LABELS,
    held_out_of,
    learning_curve,
    part,
)
from distillkit.mnist.experiments.measured import Measured
from distillkit.mnist.experiments.wording import errors, passes, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STOPPED = "-stopped"
"""Ends the name of a student as it was when the held-out cases would have stopped it."""
_LITTLE = "0.03"


class LittleData(Experiment):
    """Soft targets instead of data."""

    name = "little-data"
    asked_by = "H13"
    title = "Soft targets instead of data"
    question = "Can soft targets stand in for data?"
    trains = 2 * len(FRACTIONS)
    settings: Mapping[str, Any] = {
        "temperature": TEMPERATURE,
        "hard_label_weight": HARD_LABEL_WEIGHT,
        "fractions": FRACTIONS,
    }
    counts_steps = True

    def run(self, inputs: ExperimentInputs) -> Measured:
        """Measure; takes as long as its students do."""
        return learning_curve(
            inputs.the_teacher,
            inputs.recipe,
            inputs.train,
            inputs.test,
            seed=inputs.seed,
            updates=inputs.updates,
            **self.settings,
        )

    def method(self, config: Mapping[str, Any]) -> str:
        """Return how it goes about it."""
        return (
            "Two students of each share of the training cases, one of hard labels and one of soft "
            f"targets (T = {config['temperature']:g}, weight {config['hard_label_weight']:g} on the hard "
            f"labels); each makes as many updates as {passes(config)} over all cases."
        )

    def answer(self, lines: Lines) -> str:
        """Return what came of it."""
        of = partial(errors, self, lines)
        hard, soft = f"{_LITTLE}-hard", f"{_LITTLE}-soft"
        cases = next(
            one["cases"] for one in lines[0]["found"]["students"] if f"{one['fraction']:g}" == _LITTLE
        )

        def kept(network: str) -> str:
            by_seed = [(self.errors(line["found"]), line["found"]["cases"]) for line in lines]
            shares = [
                100 * (1 - errors[network] / all_cases) / (1 - errors["1-hard"] / all_cases)
                for errors, all_cases in by_seed
                if network in errors and "1-hard" in errors
            ]
            return f"{spread(shares)} %" if shares else "–"

        return (
            f"With 3 % of the cases ({cases:,}), hard labels end at {of(hard)} test errors, or "
            f"{of(hard + STOPPED)} where held-out cases say when to stop; soft targets end at "
            f"{of(soft)}, and stopping them early gives {of(soft + STOPPED)}. Of the "
            f"accuracy of hard labels on all cases ({of('1-hard')} errors), that is {kept(hard)} "
            f"with hard labels and {kept(soft)} with soft targets."
        )

    def figure(self, results: Results) -> Figure:
        """Draw it."""
        # imported here for a quick start
        from distillkit.mnist.experiments.little_data.figure import learning_curve_figure

        return learning_curve_figure(results)

    def errors(self, numbers: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the test errors by network."""
        errors: dict[str, int | None] = {"teacher": numbers["teacher_errors"]}
        for student in numbers["students"]:
            network = part(student["fraction"], student["targets"])
            errors |= {network: student["last"], network + STOPPED: student["best"]}
        return errors

    def recount(self, numbers: Mapping[str, Any], predictions: Predictions, labels: Labels) -> dict[str, Any]:
        """Return the numbers with every count of errors made anew."""
        students = []
        for student in numbers["students"]:
            name = part(student["fraction"], student["targets"])
            errors = [wrong(look, labels) for look in predictions[name]]
            held_out = [wrong(look, predictions[HELD_OUT_LABELS]) for look in predictions[held_out_of(name)]]
            best = int(np.argmin(held_out)) if held_out else None
            students.append(
                {
                    **student,
                    "test_errors": errors,
                    "held_out_errors": held_out,
                    "last": errors[-1] if errors else None,
                    "best": None if best is None else errors[best],
                    "best_updates": None if best is None else student["updates"][best],
                }
            )
        return {**numbers, "teacher_errors": wrong(predictions["teacher"], labels), "students": students}

    def predictions_by_network(self, numbers: Mapping[str, Any], kept: Predictions) -> Predictions:
        """Return what each network predicts at the end of its training, and where it would be stopped."""
        said = {"teacher": kept["teacher"]}
        for student in numbers["students"]:
            network = part(student["fraction"], student["targets"])
            if len(kept[network]):
                said[network] = kept[network][-1]
                said[network + STOPPED] = kept[network][student["updates"].index(student["best_updates"])]
        return said
