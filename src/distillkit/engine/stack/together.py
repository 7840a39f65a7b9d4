"""`fit_together`: several students, trained as one model where that gives the same and is faster."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from distillkit.engine.callbacks import tell
from distillkit.engine.checks import check_devices, check_optimizer
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.data.selection import select
from distillkit.engine.data.sources import ResidentSource
from distillkit.engine.distiller import Distiller
from distillkit.engine.loop.evaluator import Evaluator
from distillkit.engine.settings import whole_number
from distillkit.engine.stack.architecture import fingerprint, obstacle
from distillkit.engine.stack.batches import obstacle_in, some_inputs
from distillkit.engine.stack.forward import Forward, forward_for
from distillkit.engine.stack.optimizer import layout
from distillkit.engine.stack.size import best_size
from distillkit.engine.stack.training import Member, train_stack
from distillkit.engine.teacher.signal import TeacherSignal, refuse_unsound_cache, teacher_signal
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
        self._distillers, self._epochs = distillers, epochs
        self._train, self._batch_size, self._evaluate_on = train, batch_size, evaluate_on
        self._selected: dict[int, Tensor] = {}
        # a teacher is asked once for all of its students
        self._signals: dict[Hashable, TeacherSignal] = {}
        self._evaluators: dict[Hashable, Evaluator] = {}

    def groups(self) -> list[list[int]]:
        """The places of students that could be one stack, two or more each."""
        if not self._distillers:
            return []
        device = self._distillers[0].device
        source = as_source(self._train, device, batch_size=self._batch_size)
        reason = obstacle_in(source)
        if reason is not None or not isinstance(source, ResidentSource):
            logger.info("The students train one by one: %s.", reason)
            return []
        self._source = source
        self._test = None if self._evaluate_on is None else as_source(self._evaluate_on, device)
        found: dict[Hashable, list[int]] = {}
        for place, distiller in enumerate(self._distillers):
            why = _obstacle(distiller)
            if why is None and distiller.device == device:
                found.setdefault(self._key(place, distiller), []).append(place)
            elif why is not None:
                logger.info("Student %d trains alone: %s.", place, why)
        return [places for places in found.values() if len(places) > 1]

    def train(
        self, places: Sequence[int], stack_size: StackSize
    ) -> dict[int, pd.DataFrame | DivergenceError]:
        """Train students that could be one stack; those not in the result are left as they were."""
        members = {place: self._member(place) for place in places}
        # those who see the same stand together
        ordered = sorted(places, key=lambda place: repr(members[place].learner().sees()))
        forward = self._forward([members[place] for place in ordered])
        if forward is None:
            return {}
        size = (
            best_size([members[place] for place in ordered], self._source, forward)
            if stack_size == "auto"
            else stack_size
        )
        if size == 1:
            return {}
        logger.info("%d students train in stacks of at most %d.", len(ordered), size)
        for first in range(0, len(ordered), size):
            stack = [members[place] for place in ordered[first : first + size]]
            for member in stack:
                member.distiller.stopping = False
                tell(member.distiller, "on_fit_start", self._epochs, self._steps(member))
            train_stack(stack, self._source, forward, self._epochs)
        return {place: _result(member) for place, member in members.items()}

    def _key(self, place: int, distiller: Distiller) -> Hashable:
        check_devices(distiller.student, distiller.teacher, distiller.device)
        check_optimizer(distiller.optimizer, distiller.student)
        refuse_unsound_cache(distiller.teacher_cache, self._source, distiller.transfer_set)
        with own_randomness(distiller.seed, distiller.device):
            selected = select(self._source, distiller.transfer_set)
        if selected is None:
            return place
        self._selected[place] = selected
        return (
            fingerprint(distiller.student),
            layout(distiller.optimizer, distiller.student),
            distiller.precision,
            distiller.recorder is not None,
            len(selected),
            distiller.transfer_set.keeps_labels,
        )

    def _member(self, place: int) -> Member:
        distiller = self._distillers[place]
        with own_randomness(distiller.seed, distiller.device):
            return Member(distiller, self._selected[place], self._signal(place), self._evaluator(distiller))

    def _signal(self, place: int) -> TeacherSignal | None:
        distiller, selected = self._distillers[place], self._selected[place]
        if distiller.teacher is None:
            return None
        digest = hashlib.sha256(selected.numpy().tobytes()).digest()
        key = (_teacher_of(distiller), digest, type(distiller.transfer_set), distiller.transfer_set.to_json())
        if key not in self._signals:
            self._signals[key] = teacher_signal(
                distiller.teacher,
                self._source,
                selected=selected,
                transfer_set=distiller.transfer_set,
                precision=distiller.precision,
                cache=distiller.teacher_cache,
            )
        return self._signals[key]

    def _evaluator(self, distiller: Distiller) -> Evaluator | None:
        if self._test is None:
            return None
        key = _teacher_of(distiller)
        if key not in self._evaluators:
            self._evaluators[key] = Evaluator(
                self._test, distiller.teacher, distiller.precision, distiller.teacher_cache
            )
        return self._evaluators[key]

    def _forward(self, members: Sequence[Member]) -> Forward | None:
        inputs = some_inputs(self._source, members[0].learner(), _TRIED)
        with own_randomness(0, members[0].distiller.device):
            forward = forward_for([member.distiller.student for member in members], inputs)
        if isinstance(forward, str):
            logger.info("%d students train one by one: %s.", len(members), forward)
            return None
        return forward

    def _steps(self, member: Member) -> int:
        return -(-len(member.selected) // self._source.batch_size)


def _obstacle(distiller: Distiller) -> str | None:
    """Why a student cannot be in a stack; `None` where nothing is seen."""
    if layout(distiller.optimizer, distiller.student) is None:
        return f"{type(distiller.optimizer).__name__} may mix the numbers of a parameter"
    # names of torch's own: nothing else tells
    if distiller.optimizer._optimizer_step_pre_hooks or distiller.optimizer._optimizer_step_post_hooks:
        return "its optimiser has hooks"
    if distiller.compile == "on":
        return "it is to be compiled"
    if why := distiller.captures.obstacle():
        return why
    if distiller.precision.scaler() is not None:
        return "float16 on CUDA scales its gradients"
    return obstacle(distiller.student)


def _teacher_of(distiller: Distiller) -> Hashable:
    return id(distiller.teacher), distiller.precision, distiller.teacher_cache


def _alone(
    distiller: Distiller, train: Any, epochs: int, batch_size: int | None, evaluate_on: Any
) -> pd.DataFrame | DivergenceError:
    try:
        return distiller.fit(train, epochs=epochs, batch_size=batch_size, evaluate_on=evaluate_on)
    except DivergenceError as error:
        return error


def _result(member: Member) -> pd.DataFrame | DivergenceError:
    # imported here for a quick start
    import pandas as pd

    if member.divergence is not None:
        return member.divergence
    history = pd.DataFrame(member.rows)
    history.attrs["seconds"] = member.seconds
    return history


def _refuse_what_is_shared(distillers: Sequence[Distiller]) -> None:
    """Refuse students or optimisers that are one, and teachers that change while they teach.

    Raises:
        ConfigurationError: Says which.
    """
    if len({id(distiller.optimizer) for distiller in distillers}) < len(distillers):
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
