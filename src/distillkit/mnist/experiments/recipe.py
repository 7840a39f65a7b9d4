"""How the students of an experiment are trained, whatever it varies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distillkit import Callback, Distiller, TeacherCache, fit_together
from distillkit.errors import DivergenceError
from distillkit.mnist.cells.run_context import compile_mode
from distillkit.mnist.cells.stacks import WIDEST_ON_A_CPU
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.typing import LossFn
from distillkit.workbench import SettledPrecision

Cases = tuple[Tensor, Tensor]
"""Images, `[cases, 1, 28, 28]` or `[cases, 784]`, and labels, `[cases]`, int64, on the device of the work."""


class Training(Protocol):
    """The settings of a training that a recipe needs; those of a protocol's students have them."""

    @property
    def batch_size(self) -> int:
        """Cases a batch."""

    @property
    def clip_norm(self) -> float | None:
        """Largest global norm of the gradient."""

    @property
    def schedule_unit(self) -> Literal["epoch", "step"]:
        """The unit that the schedule counts."""

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """The optimiser of these parameters."""

    def build_schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """The schedule over all steps of the training."""


@dataclass(frozen=True)
class Recipe:
    """A network and its training; what it learns, from what and how long is the caller's."""

    network: NetworkSpec
    """The network of the students."""
    training: Training
    """Their batches, optimiser and schedule."""
    precision: SettledPrecision = "fp32"
    """Precision of the forward pass."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the data and the teacher are too."""
    teacher_cache: TeacherCache = field(default_factory=TeacherCache, repr=False)
    """A teacher's answers, asked once for all students."""
    watch: Sequence[Callback] = field(default=(), repr=False)
    """Told of every student's training as it goes."""

    def distiller(
        self,
        *,
        loss: LossFn,
        seed: int,
        updates: int,
        teacher: nn.Module | None = None,
        student: nn.Module | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Distiller:
        """A student that is about to be trained.

        Args:
            loss: What it minimises.
            seed: Of its initial values and of the order of the cases.
            updates: How many there will be in all, for the schedule.
            teacher: The trained teacher of a loss that needs one.
            student: A module to train instead of a new one of `network`.
            callbacks: What is called as the training goes.
        """
        student = self.network.build(seed) if student is None else student
        return Distiller(
            teacher=teacher,
            student=student.to(self.device),
            loss=loss,
            optimizer=self.training.build_optimizer,
            schedule=lambda optimizer: self.training.build_schedule(optimizer, updates),
            schedule_unit=self.training.schedule_unit,
            clip_norm=self.training.clip_norm,
            precision=self.precision,
            compile=compile_mode(self.device),
            teacher_cache=self.teacher_cache,
            callbacks=(*self.watch, *callbacks),
            seed=seed,
        )

    def updates(self, cases: int, epochs: int) -> int:
        """The updates in `epochs` passes over `cases` cases; a last batch that is not full is one too."""
        return -(-cases // self.training.batch_size) * epochs


def train_together(
    distillers: Sequence[Distiller], train: Cases, recipe: Recipe, *, epochs: int
) -> list[DivergenceError | None]:
    """Train the students, stacked where that is faster, and say of each whether it diverged.

    By a rule and not by a trial, so that the same call gives the same numbers.

    Args:
        distillers: Each as `Recipe.distiller` makes it.
        train: What they learn from.
        recipe: Theirs.
        epochs: Passes over it, ≥ 1.
    """
    too_wide = train[0].device.type == "cpu" and max(recipe.network.hidden_units) > WIDEST_ON_A_CPU
    histories = fit_together(
        distillers,
        train,
        epochs=epochs,
        batch_size=recipe.training.batch_size,
        stack_size=1 if too_wide else max(len(distillers), 1),
    )
    return [history if isinstance(history, DivergenceError) else None for history in histories]
