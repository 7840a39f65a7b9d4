"""All experiments of a seed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from distillkit.losses import HardLabels, Loss, hinton
from distillkit.mnist.experiments.dark_knowledge import dark_knowledge
from distillkit.mnist.experiments.little_data import learning_curve
from distillkit.mnist.experiments.logit_matching import gradient_distances, student_distances
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.mnist.experiments.specialists.experiment import specialists
from distillkit.mnist.experiments.t_squared import gradient_norms, hard_weight_errors

_CASES_PROBED = 500
_TEMPERATURE, _HARD_LABEL_WEIGHT = 20.0, 0.1


@dataclass(frozen=True, eq=False)
class Bench:
    """What the experiments of one seed work with.

    Example:
        >>> import torch
        >>> from torch.optim.lr_scheduler import LinearLR
        >>> from distillkit.mnist.models import NetworkSpec
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
        >>> len(found["test_errors"]) == len(found["weights"])
        True
    """

    teacher: nn.Module
    """Trained with this seed."""
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

    def run(self, name: str) -> dict[str, Any]:
        """What the experiment of a name of `EXPERIMENTS` returns; takes as long as its students do."""
        return EXPERIMENTS[name](self)

    @cached_property
    def students(self) -> Mapping[str, nn.Module]:
        """Whose gradients are looked at: a student before its training and after."""
        return {
            "untrained": self.recipe.network.build(self.seed),
            "trained": self.trained(self.recipe, hinton(_TEMPERATURE, _HARD_LABEL_WEIGHT), self.teacher),
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


def _t_squared(bench: Bench) -> dict[str, Any]:
    images, labels = bench.test
    return gradient_norms(bench.students, bench.teacher, images[:_CASES_PROBED], labels[:_CASES_PROBED])


def _hard_weight(bench: Bench) -> dict[str, Any]:
    return hard_weight_errors(
        bench.teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, epochs=bench.epochs
    )


def _logit_matching(bench: Bench) -> dict[str, Any]:
    return gradient_distances(bench.students, bench.teacher, bench.test[0][:_CASES_PROBED])


def _logit_matching_students(bench: Bench) -> dict[str, Any]:
    return student_distances(
        bench.teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, epochs=bench.epochs
    )


def _little_data(bench: Bench) -> dict[str, Any]:
    return learning_curve(
        bench.teacher, bench.recipe, bench.train, bench.test, seed=bench.seed, updates=bench.updates
    )


def _specialists(bench: Bench) -> dict[str, Any]:
    return specialists(
        bench.trained(bench.narrow, HardLabels()), bench.narrow, bench.train, bench.test, seed=bench.seed,
        specialist_epochs=bench.epochs, epochs=bench.epochs,
    )  # fmt: skip


def _dark_knowledge(bench: Bench) -> dict[str, Any]:
    return dark_knowledge(bench.teacher, bench.test)


EXPERIMENTS: Mapping[str, Callable[[Bench], dict[str, Any]]] = {
    "t-squared": _t_squared,
    "hard-weight": _hard_weight,
    "logit-matching": _logit_matching,
    "logit-matching-students": _logit_matching_students,
    "little-data": _little_data,
    "specialists": _specialists,
    "dark-knowledge": _dark_knowledge,
}
"""By the names of their figures, too."""
