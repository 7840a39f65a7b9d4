"""`fit_together`: several students, trained as one model where that gives the same and is faster."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from distillkit.engine.arguments import whole_number
from distillkit.engine.checks import check_optimizer
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.data.sources import ResidentSource
from distillkit.engine.distiller import Distiller
from distillkit.engine.loop.preparation import Run, Shared, prepare, selected_by
from distillkit.engine.loop.training import Training
from distillkit.engine.stack.architecture import fingerprint, obstacle
from distillkit.engine.stack.batches import first_seen, learner_of, obstacle_in, obstacle_in_view
from distillkit.engine.stack.forward import Forward, forward_for
from distillkit.engine.stack.optimizer import layout
from distillkit.engine.stack.size import best_size
from distillkit.engine.stack.training import train_stack
from distillkit.engine.torch_internals import step_has_hooks
from distillkit.errors import ConfigurationError, DivergenceError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("distillkit")

StackSize = int | Literal["auto"]
_TRIED = 8


def fit_together(
    distillers: Sequence[Distiller],
    train: Any,
    *,
    epochs: int,
    batch_size: int | None = None,
    evaluate_on: Any = None,
    stack_size: StackSize = "auto",
) -> list[pd.DataFrame | DivergenceError]:
    """Train several students on the same data, as `fit` of each would, with their steps made together.

    Students of one architecture are trained as one model: one pass forward and back, batched products, one
    optimiser. They may differ in initial values, seed, teacher, loss, learning rate and all else that the
    optimiser is set to, schedule, clipping, transfer set (of equally many examples) and callbacks; each is
    clipped, stopped and found to have diverged on its own. What cannot be stacked is trained by `fit`: other
    architectures by themselves, data that are no tensors, weighted examples, labels at many positions,
    `compile="on"`, losses on features, with schedules, that learn something themselves or that need to know
    which examples a batch holds, float16 on CUDA, optimisers that mix numbers (such as Muon), modules with
    hooks or tied weights, and any that torch cannot map or that a trial shows to give other numbers. The log
    (`distillkit`, at level INFO) says which and why.

    The numbers are those of `fit` but for rounding, since products are summed in another order. The masks of
    `nn.Dropout` are those of `fit` too for a stack of plain layers on a CPU; elsewhere each student draws its
    own. Callbacks see weights, learning rates and, at the end of an epoch, the optimiser's state, and may
    change the first two; gradients are not theirs to see, and weights that they keep are to be cloned, since
    they are views of the stack's.

    Args:
        distillers: Each with a student of its own.
        train: As in `Distiller.fit`.
        epochs: Passes over each transfer set, ≥ 1.
        batch_size: As in `Distiller.fit`.
        evaluate_on: As in `Distiller.fit`.
        stack_size: The most students that are trained as one; `"auto"` tries some steps and takes what is
            fastest, one by one where that is; 1 is always one by one.

    Returns:
        For each in turn, the history as `fit` returns it, or the `DivergenceError` that `fit` would raise:
        one student's divergence leaves the others alone.

    Raises:
        ConfigurationError: As `Distiller.fit`; or two share a student or an optimiser.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import Distiller, fit_together, losses
        >>> teacher, x, y = nn.Linear(4, 3), torch.randn(64, 4), torch.randint(3, (64,))
        >>> distillers = [
        ...     Distiller(teacher=teacher, student=nn.Linear(4, 3), loss=losses.hinton(T, 0.1), seed=seed)
        ...     for T in (1, 4, 20) for seed in (0, 1)
        ... ]
        >>> histories = fit_together(distillers, (x, y), epochs=2, stack_size=6)
        >>> [len(history) for history in histories]
        [2, 2, 2, 2, 2, 2]
    """
    epochs = whole_number("epochs", epochs, at_least=1)
    if stack_size != "auto":
        stack_size = whole_number("stack_size", stack_size, at_least=1)
    _refuse_what_is_shared(distillers)
    stacks = _Stacks(distillers, train, epochs, batch_size, evaluate_on)
    results: dict[int, pd.DataFrame | DivergenceError] = {}
    for places in stacks.groups() if stack_size != 1 else []:
        results |= stacks.train(places, stack_size)
    for place, distiller in enumerate(distillers):
        if place not in results:
            results[place] = _alone(distiller, train, epochs, batch_size, evaluate_on)
    return [results[place] for place in range(len(distillers))]


class _Stacks:
    """The students that may be stacked, and what they have in common."""

    def __init__(
        self,
        distillers: Sequence[Distiller],
        train: Any,
        epochs: int,
        batch_size: int | None,
        evaluate_on: Any,
    ) -> None:
        self._trainings, self._epochs = [one.training for one in distillers], epochs
        self._train, self._batch_size, self._evaluate_on = train, batch_size, evaluate_on
        self._shared = Shared()

    def groups(self) -> list[list[int]]:
        """Return the places of students that could be one stack, two or more each."""
        if not self._trainings:
            return []
        device = self._trainings[0].device
        source = as_source(self._train, device, batch_size=self._batch_size)
        reason = obstacle_in(source)
        if reason is not None or not isinstance(source, ResidentSource):
            logger.info("The students train one by one: %s.", reason)
            return []
        self._source = source
        self._test = None if self._evaluate_on is None else as_source(self._evaluate_on, device)
        groups: dict[Hashable, list[int]] = {}
        for place, training in enumerate(self._trainings):
            why = _obstacle(training)
            if why is None and training.device == device:
                groups.setdefault(self._key(place, training), []).append(place)
            elif why is not None:
                logger.info("Student %d trains alone: %s.", place, why)
        return [places for places in groups.values() if len(places) > 1]

    def train(
        self, places: Sequence[int], stack_size: StackSize
    ) -> dict[int, pd.DataFrame | DivergenceError]:
        """Train students that could be one stack; those not in the result are left as they were."""
        runs = {
            place: prepare(self._trainings[place], self._source, self._test, self._shared) for place in places
        }
        # those who see the same stand together
        ordered = sorted(runs.values(), key=lambda run: repr(learner_of(run).sees()))
        forward = self._forward(ordered)
        if forward is None:
            return {}
        size = best_size(ordered, self._source, forward) if stack_size == "auto" else stack_size
        if size == 1:
            return {}
        logger.info("%d students train in stacks of at most %d.", len(ordered), size)
        for first in range(0, len(ordered), size):
            stack = ordered[first : first + size]
            for run in stack:
                run.training.begin(self._epochs, run.steps)
            train_stack(stack, self._source, forward, self._epochs)
        return {place: run.divergence or run.training.history() for place, run in runs.items()}

    def _key(self, place: int, training: Training) -> Hashable:
        training.check_devices()
        check_optimizer(training.optimizer, training.trained)
        selected = selected_by(training, self._source)
        if selected is None:
            return place
        return (
            fingerprint(training.student),
            layout(training.optimizer, training.student),
            training.precision,
            training.recorder is not None,
            len(selected),
            training.transfer_set.keeps_labels,
        )

    def _forward(self, runs: Sequence[Run]) -> Forward | None:
        seen = [first_seen(self._source, learner_of(run), _TRIED) for run in runs]
        forward: Forward | str | None = next(filter(None, map(obstacle_in_view, seen)), None)
        if forward is None:
            with own_randomness(0, runs[0].training.device):
                forward = forward_for([run.training.student for run in runs], seen[0].inputs)
        if isinstance(forward, str):
            logger.info("%d students train one by one: %s.", len(runs), forward)
            return None
        return forward


def _obstacle(training: Training) -> str | None:
    """Return why a student cannot be in a stack; `None` where nothing is seen."""
    if why := training.captures.obstacle():
        return why
    if layout(training.optimizer, training.student) is None:
        return f"{type(training.optimizer).__name__} may mix the numbers of a parameter"
    if step_has_hooks(training.optimizer):
        return "its optimiser has hooks"
    if training.compiling.wanted(pays=False):
        return "it is to be compiled"
    if training.precision.scaler() is not None:
        return "float16 on CUDA scales its gradients"
    return obstacle(training.student)


def _alone(
    distiller: Distiller, train: Any, epochs: int, batch_size: int | None, evaluate_on: Any
) -> pd.DataFrame | DivergenceError:
    try:
        return distiller.fit(train, epochs=epochs, batch_size=batch_size, evaluate_on=evaluate_on)
    except DivergenceError as error:
        return error


def _refuse_what_is_shared(distillers: Sequence[Distiller]) -> None:
    """Refuse students or optimisers that are one, and teachers that change while they teach.

    Raises:
        ConfigurationError: Says which.
    """
    made = [id(one.optimizer) for one in distillers if one.training.is_made]
    if len(set(made)) < len(made):
        raise ConfigurationError("Two of the Distillers have one optimiser: give each its own.")
    trained: set[int] = set()
    for distiller in distillers:
        own = {id(one) for one in distiller.student.parameters() if one.requires_grad}
        if own & trained:
            raise ConfigurationError(
                "Two of the Distillers train the same parameters, in one student or in a part that students "
                "share: give each its own, or freeze what they share."
            )
        trained |= own
    for distiller in distillers:
        if distiller.teacher is not None and trained & {id(one) for one in distiller.teacher.parameters()}:
            raise ConfigurationError(
                "One of the Distillers learns from another's student, which changes meanwhile: train that "
                "one first."
            )
