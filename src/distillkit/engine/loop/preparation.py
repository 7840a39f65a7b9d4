"""Preparation of a `fit`: examples chosen, the teacher asked, adapters made."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from torch import Tensor

from distillkit.engine.data.numbering import Numbering, numbering_for
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.data.selection import digest_of, select
from distillkit.engine.data.sources import Source
from distillkit.engine.data.views import apply_view
from distillkit.engine.loop.evaluator import Evaluator
from distillkit.engine.loop.step_log import no_batch
from distillkit.engine.loop.training import Training
from distillkit.engine.teacher.signal import TeacherSignal, teacher_signal
from distillkit.errors import DivergenceError


@dataclass(eq=False)
class Run:
    """A training, and what it learns from in one `fit`."""

    training: Training
    selected: Tensor | None
    """The numbers of the examples that the transfer set chooses; `None` of a stream."""
    steps: int
    """Steps an epoch; 0 where a stream does not tell."""
    signal: TeacherSignal | None
    evaluator: Evaluator | None
    numbering: Numbering | None
    divergence: DivergenceError | None = None


@dataclass(frozen=True)
class Shared:
    """Teachers' answers that several trainings share, so that each teacher is asked once."""

    signals: dict[Hashable, TeacherSignal] = field(default_factory=dict)
    evaluators: dict[Hashable, Evaluator] = field(default_factory=dict)


def selected_by(training: Training, source: Source) -> Tensor | None:
    """Return the numbers of the examples that a training's transfer set chooses; `None` of a stream.

    Raises:
        ConfigurationError: Transfer set, teacher cache and data do not fit together.
    """
    with own_randomness(training.seed, training.device):
        return _select(training, source)


def prepare(training: Training, source: Source, test: Source | None, shared: Shared) -> Run:
    """Prepare a training for a `fit`.

    Args:
        training: Its adapters and optimiser are made here, if they are not yet.
        source: The data, of which the transfer set chooses.
        test: Data that are evaluated after every epoch, if any.
        shared: Answers that trainings prepared before have asked for, and those prepared after may use.

    Raises:
        ConfigurationError: Data, models or settings do not fit together.
    """
    with own_randomness(training.seed, training.device):
        selected = _select(training, source)
        evaluator = _evaluator(training, test, shared)
        signal = _signal(training, source, selected, shared)
        numbering = numbering_for(
            training.captures.needs.examples, source, selected, training.transfer_set, training.device
        )
        if not training.is_made:
            few = source.batches(None if selected is None else selected[:2])
            first = next(iter(apply_view(few, training.transfer_set, epoch=0)), None)
            if first is None:
                raise no_batch(training.epochs_done)
            training.make(first, numbering)
    steps = 0 if selected is None else -(-len(selected) // source.batch_size)
    return Run(training, selected, steps, signal, evaluator, numbering)


def _select(training: Training, source: Source) -> Tensor | None:
    training.teacher_cache.refuse_unsound(source, training.transfer_set, training.captures.teacher)
    return select(source, training.transfer_set)


def _evaluator(training: Training, test: Source | None, shared: Shared) -> Evaluator | None:
    if test is None:
        return None
    key = _teacher_of(training)
    if key not in shared.evaluators:
        shared.evaluators[key] = Evaluator(test, training.teacher, training.precision, training.teacher_cache)
    return shared.evaluators[key]


def _signal(
    training: Training, source: Source, selected: Tensor | None, shared: Shared
) -> TeacherSignal | None:
    if training.teacher is None:
        return None
    transfer_set = training.transfer_set
    digest = None if selected is None else digest_of(selected)
    key = (_teacher_of(training), digest, type(transfer_set), transfer_set.to_json())
    if key not in shared.signals:
        shared.signals[key] = teacher_signal(
            training.teacher,
            source,
            selected=selected,
            transfer_set=transfer_set,
            precision=training.precision,
            cache=training.teacher_cache,
            capture=training.captures.teacher,
        )
    return shared.signals[key]


def _teacher_of(training: Training) -> Hashable:
    return id(training.teacher), training.precision, training.teacher_cache
