"""H13, soft targets instead of data (§6): students of a small part of the cases, with a teacher of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from distillkit import Callback, Watched, metrics
from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, hinton
from distillkit.mnist.cells.cell import held_out
from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.measured import Measured, predicted
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.transfer_sets import Fraction

HELD_OUT_LABELS = "held-out-labels"
_HELD_OUT = "-held-out"
FRACTIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_LOOKS = 25


def learning_curve(
    teacher: nn.Module,
    recipe: Recipe,
    train: Cases,
    test: Cases,
    *,
    seed: int,
    updates: int,
    temperature: float = 20.0,
    hard_label_weight: float = 0.1,
    fractions: Sequence[float] = FRACTIONS,
) -> Measured:
    """Two students of each part of the training cases: of hard labels alone, and of soft targets too.

    A twelfth of each class is held out for early stopping; parts are parts of the rest, drawn class by class,
    and with one seed a smaller part lies within a larger. All students make about the same number of updates,
    so that only the data differ. None is stopped early: the whole curve is kept, and beside its end the
    epoch that the held-out cases would have chosen.

    A schedule has to count steps: by epochs it would be over the sooner the smaller a part is.

    Args:
        teacher: Trained on all training cases.
        recipe: How the students are trained.
        train: All training cases.
        test: What the errors are counted on.
        seed: Of initial values, order and parts.
        updates: Of each student; rounded up to whole passes over its part.
        temperature: T of the soft targets.
        hard_label_weight: Of the hard labels beside the soft targets, in [0, 1].
        fractions: Parts of the training cases, each in (0, 1].

    Returns:
        `seed`, `temperature`, `hard_label_weight`, `cases` (of the test), `held_out_cases`, `teacher_errors`,
        and `students`: for each part and each of `targets` "hard" and "soft", its `fraction` and `cases`; by
        look, at most 25 of them evenly spread, `updates`, `test_errors` and `held_out_errors`; `last`, the
        test errors at the end; `best` and `best_updates`, those at the first look with the fewest held-out
        errors; and `diverged`. And what the teacher and, at each look, the students predict, of the held-out
        cases too, with the labels of these.

    Raises:
        ConfigurationError: The recipe's schedule counts epochs.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §6: with 3 % of the data,
        44.5 % of the frames right with hard labels, 57.0 % with soft targets; with all data 58.9 %.
    """
    if recipe.training.schedule_unit != "step":
        raise ConfigurationError(
            "Students of parts of the data make the same number of updates in different numbers of epochs: "
            "use a protocol whose students' schedule counts steps, not epochs."
        )
    learnt, looked_at = _split(train, seed)
    students: list[dict[str, Any]] = []
    predictions = {HELD_OUT_LABELS: looked_at[1].cpu().numpy().astype(np.uint8)}
    for fraction in fractions:
        chosen = Fraction(fraction=fraction, seed=seed).select(len(learnt[1]), learnt[1]).to(learnt[1].device)
        cases = learnt[0][chosen], learnt[1][chosen]
        epochs = -(-updates // recipe.updates(len(chosen), 1))
        looks = {"hard": _Looks(test, looked_at, epochs), "soft": _Looks(test, looked_at, epochs)}
        losses = {"hard": HardLabels(), "soft": hinton(temperature, hard_label_weight)}
        distillers = [
            recipe.distiller(
                loss=losses[targets],
                seed=seed,
                updates=recipe.updates(len(chosen), epochs),
                teacher=teacher if targets == "soft" else None,
                callbacks=[look],
            )
            for targets, look in looks.items()
        ]
        divergences = train_together(distillers, cases, recipe, epochs=epochs)
        students += [
            {
                "fraction": float(fraction),
                "cases": len(chosen),
                "targets": targets,
                **look.found(recipe.updates(len(chosen), 1)),
                "diverged": divergence is not None,
            }
            for (targets, look), divergence in zip(looks.items(), divergences, strict=True)
        ]
        for targets, look in looks.items():
            name = part(fraction, targets)
            predictions[name], predictions[held_out_of(name)] = look.predictions()
    said = answers(teacher, test[0])
    numbers = {
        "seed": seed,
        "temperature": temperature,
        "hard_label_weight": hard_label_weight,
        "cases": len(test[1]),
        "held_out_cases": len(looked_at[1]),
        "teacher_errors": metrics.test_errors(said, test[1]),
        "students": students,
    }
    return Measured(numbers, {"teacher": predicted(said), **predictions})


class _Looks(Callback):
    """Asks a student now and then."""

    def __init__(self, test: Cases, held_out: Cases, epochs: int) -> None:
        self._test, self._held_out = test, held_out
        self._at = {round(epochs * (look + 1) / _LOOKS) for look in range(_LOOKS)}
        self._errors: list[tuple[int, int, int]] = []
        self._said: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        if distiller.epochs_done in self._at:
            said = [distiller.logits(images) for images, _ in (self._test, self._held_out)]
            test_errors, held_out_errors = (
                metrics.test_errors(logits, labels)
                for logits, (_, labels) in zip(said, (self._test, self._held_out), strict=True)
            )
            self._errors.append((distiller.epochs_done, test_errors, held_out_errors))
            self._said.append((predicted(said[0]), predicted(said[1])))

    def predictions(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the predictions for the test cases and for the held-out ones, each `[looks, cases]`."""
        of_test, of_held_out = (
            np.array([look[place] for look in self._said], dtype=np.uint8).reshape(-1, len(labels))
            for place, (_, labels) in enumerate((self._test, self._held_out))
        )
        return of_test, of_held_out

    def found(self, updates_an_epoch: int) -> dict[str, Any]:
        """Return the looks; none of a student that diverged before the first."""
        best = min(self._errors, key=lambda look: look[2], default=None)
        return {
            "updates": [epoch * updates_an_epoch for epoch, _, _ in self._errors],
            "test_errors": [errors for _, errors, _ in self._errors],
            "held_out_errors": [errors for _, _, errors in self._errors],
            "last": self._errors[-1][1] if self._errors else None,
            "best": None if best is None else best[1],
            "best_updates": None if best is None else best[0] * updates_an_epoch,
        }


def _split(train: Cases, seed: int) -> tuple[Cases, Cases]:
    images, labels = train
    is_held_out = held_out(labels, seed)
    return (images[~is_held_out], labels[~is_held_out]), (images[is_held_out], labels[is_held_out])


def part(fraction: float, targets: str) -> str:
    """The name under which little-data keeps the predictions of a student, one row a look.

    Example:
        >>> part(0.03, "soft")
        '0.03-soft'
    """
    return f"{fraction:g}-{targets}"


def held_out_of(student: str) -> str:
    """The name under which little-data keeps what a student says of the held-out cases."""
    return f"{student}{_HELD_OUT}"
