"""`fit_mutually`: students that learn at the same time, from the labels and from one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from distillkit.engine.callbacks import Callback, Watched, callbacks_of
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.seeds import epoch_seed, own_randomness
from distillkit.engine.distiller import Distiller
from distillkit.engine.loop.evaluator import Evaluator
from distillkit.engine.teacher.policy import CachePolicy
from distillkit.ensemble import Ensemble
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss, Mutual

if TYPE_CHECKING:
    import pandas as pd


def fit_mutually(
    students: Sequence[nn.Module],
    train: Any,
    *,
    epochs: int,
    loss: Loss | None = None,
    batch_size: int | None = None,
    evaluate_on: Any = None,
    num_workers: int = 0,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> pd.DataFrame:
    """Train students that learn from one another: deep mutual learning.

    Each minimises `loss` averaged over its peers, with each peer in turn as the teacher. All see the same
    batches, say their answers in training mode, and are then updated at once; what a peer says is held fixed.
    The authors' code updates one network after another, so that each but the first learns from peers that
    are an update ahead.

    It is one Distiller, whose student is an `Ensemble` of the students and whose loss is `losses.Mutual`. So
    there is one optimiser, with a state of its own for each weight; `clip_norm` limits the gradients of all
    together; a schedule that looks at the loss sees their sum. Each student stays the plain module that it
    was, trained in place.

    Args:
        students: Two or more, of any architectures, for the same inputs and classes, on one device.
        train: As in `Distiller.fit`.
        epochs: Passes over the transfer set, ≥ 1.
        loss: A loss on logits and labels; that of `losses.Mutual` where none is given.
        batch_size: As in `Distiller.fit`.
        evaluate_on: Labelled data, on which each student is evaluated after every epoch.
        num_workers: As in `Distiller.fit`.
        callbacks: As of `Distiller`; what they are called with has the ensemble as its student.
        **settings: As of `Distiller`: `transfer_set`, `optimizer`, `schedule`, `schedule_unit`, `clip_norm`,
            `precision`, `seed`.

    Returns:
        The history, one row for each epoch and student: `epoch` and `peer`, both from 1, and the columns that
        `Distiller.fit` has, of that student's own loss. `history.attrs["seconds"]` has each epoch's time,
            without the evaluations.

    Raises:
        ConfigurationError: As `Distiller`; or there are fewer than two students, or one is there twice.
        DivergenceError: A student's loss is no longer finite; the terms are named by student.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import fit_mutually
        >>> small, large = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> history = fit_mutually([small, large], (torch.randn(64, 4), torch.randint(3, (64,))), epochs=2)
        >>> list(history.columns)
        ['epoch', 'peer', 'loss', 'soft', 'hard', 'learning_rate']
        >>> history["peer"].tolist()
        [1, 2, 1, 2]

    Reference:
        Zhang, Xiang, Hospedales, Lu, Deep Mutual Learning, CVPR 2018, §3.
    """
    # imported here for a quick start
    import pandas as pd

    _refuse_too_few(students)
    each = _EachStudent(students, evaluate_on)
    distiller = Distiller(
        teacher=None,
        student=Ensemble(students, average="probabilities"),
        loss=Mutual() if loss is None else Mutual(loss=loss),
        callbacks=(*callbacks_of(callbacks), each),
        **settings,
    )
    whole = distiller.fit(train, epochs=epochs, batch_size=batch_size, num_workers=num_workers)
    history = pd.DataFrame(each.rows)
    history.attrs["seconds"] = whole.attrs["seconds"]
    return history


def _refuse_too_few(students: Sequence[nn.Module]) -> None:
    """Refuse fewer than two students, one that is there twice, and what is no module.

    Raises:
        ConfigurationError: Says which.
    """
    if strange := [type(student).__name__ for student in students if not isinstance(student, nn.Module)]:
        raise ConfigurationError(f"The students must be torch.nn.Modules, got {', '.join(strange)}.")
    differ = len({id(student) for student in students})
    if differ < 2 or differ < len(students):
        raise ConfigurationError(
            f"Mutual learning is among two or more students, each a module of its own; got {len(students)}, "
            f"of which {differ} differ."
        )


class _EachStudent(Callback):
    """Makes a row for each student of each row of the history."""

    only_watches = True

    def __init__(self, students: Sequence[nn.Module], evaluate_on: Any) -> None:
        self._students, self._evaluate_on = students, evaluate_on
        self._evaluator: Evaluator | None = None
        self.rows: list[dict[str, Any]] = []

    def on_fit_start(self, distiller: Watched, epochs: int, steps: int) -> None:
        if self._evaluate_on is not None:
            source = as_source(self._evaluate_on, distiller.device)
            self._evaluator = Evaluator(source, None, distiller.precision, CachePolicy("off"))

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        others = {name: value for name, value in row.items() if not _is_of_a_student(name)}
        for peer, student in enumerate(self._students, start=1):
            sign = f"{peer}."
            own = {name.removeprefix(sign): value for name, value in row.items() if name.startswith(sign)}
            of_peer = {"epoch": row["epoch"], "peer": peer, "loss": sum(own.values())}
            of_peer |= own if len(own) > 1 else {}
            of_peer |= {name: value for name, value in others.items() if name not in of_peer}
            if self._evaluator is not None:
                # a loader draws a seed whenever it is read
                with own_randomness(epoch_seed(distiller.seed, distiller.epochs_done - 1), distiller.device):
                    of_peer |= self._evaluator.evaluate(student).numbers()
            self.rows.append(of_peer)


def _is_of_a_student(name: str) -> bool:
    return name.partition(".")[0].isdigit()
