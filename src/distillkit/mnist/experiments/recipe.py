"""How the students of an experiment are trained, whatever it varies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distillkit import Callback, Distiller, TeacherCache, fit_together
from distillkit.errors import DivergenceError
from distillkit.experiments import SettledPrecision
from distillkit.mnist.models import NetworkSpec
from distillkit.mnist.stacks import WIDEST_ON_A_CPU
from distillkit.typing import LossFn

Cases = tuple[Tensor, Tensor]
"""Images, `[cases, 1, 28, 28]` or `[cases, 784]`, and labels, `[cases]`, int64, on the device of the work."""

_RISING = 0.05


def rise_and_fall(done: float) -> float:
    """The learning rate as a share of its peak: up over the first 5 % of the updates, then down to 0.

    Args:
        done: Share of the updates that are done, in [0, 1].

    Example:
        >>> [round(rise_and_fall(done), 2) for done in (0, 0.025, 0.05, 0.525, 1)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return min(done / _RISING, (1 - done) / (1 - _RISING))


@dataclass(frozen=True)
class Recipe:
    """The network, the optimiser and its schedule; what is learnt, from what and how long is the caller's.

    Example:
        >>> from distillkit import losses
        >>> recipe = Recipe(
        ...     network=NetworkSpec(hidden_units=(8,)),
        ...     batch_size=10,
        ...     optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        ... )
        >>> cases = torch.zeros(40, 784), torch.arange(40) % 10
        >>> distiller = recipe.distiller(loss=losses.HardLabels(), seed=0, updates=8)
        >>> train_together([distiller], cases, recipe, epochs=2)
        [None]
        >>> distiller.optimizer.param_groups[0]["lr"]  # after the last of the updates
        0.0
    """

    network: NetworkSpec
    """Of the students."""
    batch_size: int
    """Cases a batch."""
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    """Makes the optimiser, set to its highest learning rate."""
    learning_rate: Callable[[float], float] = rise_and_fall
    """The factor on the learning rate when this share of the updates is done."""
    clip_norm: float | None = None
    """Largest global norm of the gradient."""
    precision: SettledPrecision = "fp32"
    """Of the forward pass."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the data and the teacher are too."""
    teacher_cache: TeacherCache = field(default_factory=TeacherCache, repr=False)
    """A teacher's answers, asked once for all students."""

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
            optimizer=self.optimizer,
            # from the middle of each update; the one after the last is asked for too
            schedule=lambda optimizer: LambdaLR(
                optimizer, lambda update: self.learning_rate(min((update + 0.5) / updates, 1.0))
            ),
            schedule_unit="step",
            clip_norm=self.clip_norm,
            precision=self.precision,
            teacher_cache=self.teacher_cache,
            callbacks=callbacks,
            seed=seed,
        )

    def updates(self, cases: int, epochs: int) -> int:
        """The updates in `epochs` passes over `cases` cases; a last batch that is not full is one too.

        Example:
            >>> from torch.optim import AdamW
            >>> Recipe(NetworkSpec(hidden_units=(8,)), batch_size=10, optimizer=AdamW).updates(25, epochs=2)
            6
        """
        return -(-cases // self.batch_size) * epochs


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
        batch_size=recipe.batch_size,
        stack_size=1 if too_wide else max(len(distillers), 1),
    )
    return [history if isinstance(history, DivergenceError) else None for history in histories]
