"""All experiments of a seed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, Loss, hinton
from distillkit.mnist.experiments.dark_knowledge import TEMPERATURES as SHOWN_TEMPERATURES
from distillkit.mnist.experiments.dark_knowledge import dark_knowledge
from distillkit.mnist.experiments.found import Found
from distillkit.mnist.experiments.gradients import TEMPERATURES
from distillkit.mnist.experiments.little_data import FRACTIONS, learning_curve
from distillkit.mnist.experiments.logit_matching import (
    STUDENT_TEMPERATURES,
    gradient_distances,
    student_distances,
)
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.mnist.experiments.specialists.experiment import specialists
from distillkit.mnist.experiments.t_squared import HARD_LABEL_WEIGHTS, gradient_norms, hard_weight_errors

CASES_PROBED = 500
"""Test cases at which gradients are looked at."""
TEMPERATURE, HARD_LABEL_WEIGHT = 20.0, 0.1
"""Of the trained student whose gradients are looked at, and of the students of parts of the data."""
SETTINGS: Mapping[str, dict[str, Any]] = {
    "t-squared": {"temperatures": TEMPERATURES},
    "hard-weight": {"temperature": TEMPERATURE, "weights": HARD_LABEL_WEIGHTS},
    "logit-matching": {"temperatures": TEMPERATURES},
    "logit-matching-students": {"temperatures": STUDENT_TEMPERATURES},
    "little-data": {
        "temperature": TEMPERATURE,
        "hard_label_weight": HARD_LABEL_WEIGHT,
        "fractions": FRACTIONS,
    },
    "specialists": {"clusters": 4, "temperature": 4.0, "hard_label_weight": HARD_LABEL_WEIGHT},
    "dark-knowledge": {"temperatures": SHOWN_TEMPERATURES, "digit": 2, "lookalikes": (3, 7), "shown": 6},
}
"""What an experiment is called with beside networks, cases, seed and epochs; part of its identity."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What the experiments of one seed work with.

    Example:
        >>> import torch
        >>> from torch.optim.lr_scheduler import LinearLR
        >>> from distillkit.mnist.protocols.networks import NetworkSpec
        >>> class Training:
        ...     batch_size, clip_norm, schedule_unit = 10, None, "step"
        ...     def build_optimizer(self, parameters):
        ...         return torch.optim.AdamW(parameters)
        ...     def build_schedule(self, optimizer, steps):
        ...         return LinearLR(optimizer, 1.0, 0.0, steps)
        >>> recipe = Recipe(NetworkSpec(hidden_units=(8,)), Training())
        >>> cases = torch.rand(60, 784) * 2 - 1, torch.arange(60) % 10
        >>> teacher = recipe.network.build(seed=1)
        >>> bench = Bench(teacher, recipe, recipe, cases, cases, seed=0, epochs=1, updates=4)
        >>> found = bench.run("hard-weight")
        >>> len(found.numbers["test_errors"]) == len(found.predictions)
        True
    """

    teacher: nn.Module | None
    """Trained with this seed; the specialists need none."""
    recipe: Recipe
    """Of the students."""
    narrow: Recipe
    """Of the generalist, which has to err on its training cases, and of the nets distilled back from it."""
    train: Cases
    """All training cases."""
    test: Cases
    """What errors are counted on."""
    seed: int
    """Of everything else."""
    epochs: int
    """Passes of each student over the training cases."""
    updates: int
    """Of each student of a part of the cases."""

    @property
    def the_teacher(self) -> nn.Module:
        """The teacher of an experiment that asks one.

        Raises:
            ConfigurationError: There is none.
        """
        if self.teacher is None:
            raise ConfigurationError("This experiment asks a trained teacher, got None: train one first.")
        return self.teacher

    def run(self, name: str) -> Found:
        """What the experiment of a name of `EXPERIMENTS` returns; takes as long as its students do."""
        return EXPERIMENTS[name](self)

    @cached_property
    def students(self) -> Mapping[str, nn.Module]:
        """Whose gradients are looked at: a student before its training and after."""
        return {
            "untrained": self.recipe.network.build(self.seed),
            "trained": self.trained(self.recipe, hinton(TEMPERATURE, HARD_LABEL_WEIGHT), self.the_teacher),
        }

    def trained(self, recipe: Recipe, loss: Loss, teacher: nn.Module | None = None) -> nn.Sequential:
        """A network trained on all training cases."""
        network = recipe.network.build(self.seed)
        updates = recipe.updates(len(self.train[1]), self.epochs)
        distiller = recipe.distiller(
            loss=loss, seed=self.seed, updates=updates, teacher=teacher, student=network
        )
        train_together([distiller], self.train, recipe, epochs=self.epochs)
        return network


def _t_squared(bench: Bench) -> Found:
    images, labels = bench.test[0][:CASES_PROBED], bench.test[1][:CASES_PROBED]
    settings = SETTINGS["t-squared"]
    return Found(gradient_norms(bench.students, bench.the_teacher, images, labels, **settings))


def _hard_weight(bench: Bench) -> Found:
    return hard_weight_errors(
        bench.the_teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, epochs=bench.epochs,
        **SETTINGS["hard-weight"],
    )  # fmt: skip


def _logit_matching(bench: Bench) -> Found:
    images = bench.test[0][:CASES_PROBED]
    settings = SETTINGS["logit-matching"]
    return Found(gradient_distances(bench.students, bench.the_teacher, images, **settings))


def _logit_matching_students(bench: Bench) -> Found:
    return student_distances(
        bench.the_teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, epochs=bench.epochs,
        **SETTINGS["logit-matching-students"],
    )  # fmt: skip


def _little_data(bench: Bench) -> Found:
    return learning_curve(
        bench.the_teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, updates=bench.updates,
        **SETTINGS["little-data"],
    )  # fmt: skip


def _specialists(bench: Bench) -> Found:
    return specialists(
        bench.trained(bench.narrow, HardLabels()), bench.narrow, bench.train, bench.test, seed=bench.seed,
        specialist_epochs=bench.epochs, epochs=bench.epochs, **SETTINGS["specialists"],
    )  # fmt: skip


def _dark_knowledge(bench: Bench) -> Found:
    return Found(dark_knowledge(bench.the_teacher, bench.test, **SETTINGS["dark-knowledge"]))


EXPERIMENTS: Mapping[str, Callable[[Bench], Found]] = {
    "t-squared": _t_squared,
    "hard-weight": _hard_weight,
    "logit-matching": _logit_matching,
    "logit-matching-students": _logit_matching_students,
    "little-data": _little_data,
    "specialists": _specialists,
    "dark-knowledge": _dark_knowledge,
}
"""By the names of their figures, too."""
