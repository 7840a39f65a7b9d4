"""Networks, recipes and cases of the experiments of one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss, hinton
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together

CASES_PROBED = 500
"""Test cases at which gradients are looked at."""
TEMPERATURE, HARD_LABEL_WEIGHT = 20.0, 0.1
"""Settings of the trained student whose gradients are looked at, and of the students of parts of the data."""


@dataclass(frozen=True, eq=False)
class ExperimentInputs:
    """Networks, recipes and cases of the experiments of one seed.

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
        >>> inputs = ExperimentInputs(teacher, recipe, recipe, cases, cases, seed=0, epochs=1, updates=4)
        >>> type(inputs.trained(recipe, hinton(4.0, 1.0), teacher)).__name__
        'Sequential'
    """

    teacher: nn.Module | None
    """Trained with this seed; the specialists need none."""
    recipe: Recipe
    """The recipe of the students."""
    narrow: Recipe
    """The recipe of the generalist, which must err in training, and of the nets distilled from it."""
    train: Cases
    """All training cases."""
    test: Cases
    """The cases on which errors are counted."""
    seed: int
    """The seed of everything else."""
    epochs: int
    """Passes of each student over the training cases."""
    updates: int
    """Updates of each student of a part of the cases."""

    @property
    def the_teacher(self) -> nn.Module:
        """The teacher of an experiment that asks one.

        Raises:
            ConfigurationError: There is none.
        """
        if self.teacher is None:
            raise ConfigurationError("This experiment asks a trained teacher, got None: train one first.")
        return self.teacher

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
