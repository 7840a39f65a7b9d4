"""`fit_in_turn`: Distillers fitted one after another, for born-again generations and chains of assistants."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from distillkit.engine.arguments import whole_number
from distillkit.engine.distiller import Distiller
from distillkit.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd


def fit_in_turn(
    distillers: Sequence[Distiller],
    train: Any,
    *,
    epochs: int,
    batch_size: int | None = None,
    evaluate_on: Any = None,
    num_workers: int = 0,
) -> pd.DataFrame:
    """Fit Distillers one after another, where each learns from a student of those before it.

    Born-again generations are networks of one architecture, the first trained on the labels, or in any other
    way, and each of the others by the one before it. A chain of teacher assistants is networks of falling
    size. A teacher may be an `Ensemble` of several before it. The first Distiller learns from whatever it is
    given; a student may also be trained on, in a second stage with another loss.

    This is `fit` of each, with the same numbers. Each student is trained in place, so what stops a later
    stage, as Ctrl-C or a loss that diverges does, leaves the students of the earlier ones trained. To go on,
    give the Distillers from that stage on, the stopped one made anew.

    Args:
        distillers: At least one, in the order in which they are fitted.
        train: As in `Distiller.fit`, as are the other arguments; the same for all.
        epochs: Passes over each transfer set, ≥ 1.
        batch_size: Examples a batch.
        evaluate_on: Labelled data, evaluated after every epoch.
        num_workers: Processes that read a `Dataset`.

    Returns:
        The histories one below the other; the first column, `stage`, counts the Distillers from 1. Columns
        that a stage does not have are NaN there. `history.attrs["seconds"]` has each row's time.

    Raises:
        ConfigurationError: As `Distiller.fit`; or a Distiller learns from none before it.
        DivergenceError: As `Distiller.fit`; a note says in which stage.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import Distiller, fit_in_turn, losses
        >>> x, y = torch.randn(64, 4), torch.randint(3, (64,))
        >>> first, second, third = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)
        >>> again = losses.SoftTargets(temperature=1)
        >>> history = fit_in_turn(
        ...     [
        ...         Distiller(teacher=None, student=first, loss=losses.HardLabels()),
        ...         Distiller(teacher=first, student=second, loss=again),
        ...         Distiller(teacher=second, student=third, loss=again),
        ...     ],
        ...     (x, y),
        ...     epochs=2,
        ... )
        >>> history["stage"].tolist()
        [1, 1, 2, 2, 3, 3]

    Reference:
        Furlanello, Lipton, Tschannen, Itti, Anandkumar, Born Again Neural Networks, ICML 2018, §3.1, for
        generations; Mirzadeh, Farajtabar, Li, Levine, Matsukawa, Ghasemzadeh, Improved Knowledge Distillation
        via Teacher Assistant, AAAI 2020, for chains.
    """
    # imported here for a quick start
    import pandas as pd

    epochs = whole_number("epochs", epochs, at_least=1)
    _check_links(distillers)
    rows: list[dict[Hashable, Any]] = []
    seconds: list[float] = []
    for stage, distiller in enumerate(distillers, start=1):
        try:
            history = distiller.fit(
                train, epochs=epochs, batch_size=batch_size, evaluate_on=evaluate_on, num_workers=num_workers
            )
        except BaseException as error:
            error.add_note(
                f"In stage {stage} of {len(distillers)}; the students of the stages before it are trained."
            )
            raise
        rows += [{"stage": stage, **row} for row in history.to_dict("records")]
        seconds += history.attrs["seconds"]
    whole = pd.DataFrame(rows)
    whole.attrs["seconds"] = seconds
    return whole


def _check_links(distillers: Sequence[Distiller]) -> None:
    """Refuse what is no Distiller, and one that has nothing of those before it.

    Raises:
        ConfigurationError: Says which.
    """
    if not distillers:
        raise ConfigurationError("There is no Distiller to fit: give at least one.")
    trained: list[nn.Module] = []
    for stage, distiller in enumerate(distillers, start=1):
        if not isinstance(distiller, Distiller):
            raise ConfigurationError(
                f"Each stage must be a Distiller, got {type(distiller).__name__} in stage {stage}."
            )
        if trained and not _goes_on(distiller, trained):
            raise ConfigurationError(
                f"The Distiller of stage {stage} learns from no student of the stages before it (from a "
                "copy, perhaps, made before that was trained): give it the student itself as its teacher, or "
                "in an Ensemble."
            )
        trained.append(distiller.student)
        if distiller.teacher is not None and any(one.changes_teacher for one in distiller.callbacks):
            trained += distiller.teacher.modules()


def _goes_on(distiller: Distiller, trained: Sequence[nn.Module]) -> bool:
    """Whether one of these networks teaches, alone or in a larger teacher, or is trained on."""
    parts = [] if distiller.teacher is None else list(distiller.teacher.modules())
    return any(one is part for one in trained for part in (distiller.student, *parts))
