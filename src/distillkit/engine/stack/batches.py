"""The batches of all students of a stack."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from distillkit.engine.data.seeds import epoch_order
from distillkit.engine.data.selection import digest_of
from distillkit.engine.data.sources import ResidentSource, Source
from distillkit.engine.data.views import apply_view
from distillkit.engine.loop.preparation import Run
from distillkit.engine.stack.forward import Inputs
from distillkit.engine.teacher.signal import TeacherSignal
from distillkit.engine.trees import map_tensors
from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch


@dataclass(frozen=True)
class Learner:
    """The view of one student: its transfer set, its examples, its seed, and its teacher's answers."""

    transfer_set: TransferSet
    selected: Tensor
    seed: int
    epoch: int
    signal: TeacherSignal | None

    def sees(self) -> Hashable:
        """Equal for students that see the same batches."""
        changed = self.transfer_set.to_json() if self.transfer_set.changes_batches else None
        return self.seed, self.epoch, digest_of(self.selected), changed, self.transfer_set.keeps_labels


def learner_of(run: Run) -> Learner:
    """Return what the student of a run sees from now on."""
    training = run.training
    if run.selected is None:
        raise ValueError("a stream has no numbers, and is not stacked")
    return Learner(training.transfer_set, run.selected, training.seed, training.epochs_done, run.signal)


@dataclass(frozen=True, slots=True)
class StackedBatch:
    """Inputs, `[groups, batch, ...]`; labels, `[students, batch]`; teachers' logits, of those taught."""

    inputs: Inputs
    labels: Tensor | None
    teacher: Tensor | None
    """`[students, batch, ..., classes]`; rows of students without a teacher are the first teacher's."""


def obstacle_in(source: Source) -> str | None:
    """Return what about data keeps students from a stack, as the rest of a sentence."""
    if not isinstance(source, ResidentSource):
        return "the data are no tensors"
    if source.whole.weights is not None:
        return "the examples have weights"
    if source.whole.teacher_inputs is not None:
        return "the teacher has inputs of its own"
    labels = source.labels()
    if labels is not None and labels.dim() > 1:
        return f"the examples have {_many(labels)}"
    return None


def obstacle_in_view(batch: Batch) -> str | None:
    """Return what about a batch, as a transfer set shows it, keeps students from a stack."""
    if batch.weights is not None:
        return "a view gives the examples weights"
    if batch.teacher_inputs is not None:
        return "a view gives the teacher inputs of its own"
    if batch.labels is None or batch.labels.dim() == 1:
        return None
    return f"a view gives {_many(batch.labels)}"


class StackedBatches:
    """Batches for students ordered so that those who see the same stand together, equally many a group."""

    def __init__(self, source: ResidentSource, learners: Sequence[Learner]) -> None:
        self._source, self._learners = source, learners
        self._shared = shared(learners)
        self._firsts = learners[:: self._shared]
        self._asked, self._answer_of = _asked(learners, self._shared)

    def epoch(self, number: int) -> Iterator[StackedBatch]:
        """The batches of the number-th epoch from where the students stand."""
        orders = torch.stack(
            [
                epoch_order(first.selected, first.seed, first.epoch + number)
                if self._source.shuffles
                else first.selected
                for first in self._firsts
            ]
        ).to(self._source.device)
        for indices in torch.split(orders, self._source.batch_size, dim=1):
            inputs, labels = self._viewed(indices, number)
            if labels is not None:
                labels = self._each(labels) if self._learners[0].transfer_set.keeps_labels else None
            yield StackedBatch(inputs, labels, self._teachers(inputs, indices))

    def _viewed(self, indices: Tensor, number: int) -> tuple[Inputs, Tensor | None]:
        """Each group's inputs and labels as it sees them, `[groups, batch, ...]`."""
        rows = self._source.rows(indices)
        if not any(first.transfer_set.changes_batches for first in self._firsts):
            return rows.inputs, rows.labels
        views = [
            first.transfer_set.view(
                Batch(_row(rows.inputs, group), _row(rows.labels, group), indices[group]),
                epoch=first.epoch + number,
            )
            for group, first in enumerate(self._firsts)
        ]
        seen = [view.labels for view in views if view.labels is not None]
        inputs = map_tensors(lambda *parts: torch.stack(parts), *(view.inputs for view in views))
        return inputs, torch.stack(seen) if seen else None

    def _teachers(self, inputs: Inputs, indices: Tensor) -> Tensor | None:
        if not self._asked:
            return None
        each = [signal.of(_row(inputs, group), indices[group]).logits for signal, group in self._asked]
        if len({one.shape for one in each}) > 1:
            raise ConfigurationError(
                "The teachers of a stack must give logits of one shape, got "
                f"{' and '.join(sorted({str(list(one.shape)) for one in each}))}: give them the student's "
                "classes."
            )
        if len(each) == 1:
            return each[0].expand(len(self._answer_of), *each[0].shape)
        return torch.stack(each)[self._answer_of]

    def _each(self, grouped: Tensor) -> Tensor:
        return grouped if self._shared == 1 else grouped.repeat_interleave(self._shared, dim=0)


def first_seen(source: ResidentSource, learner: Learner, most: int) -> Batch:
    """Return the first examples that a student may see, as it sees them."""
    batches = source.batches(learner.selected[:most], most)
    return next(apply_view(batches, learner.transfer_set, learner.epoch))


def shared(learners: Sequence[Learner]) -> int:
    """How many students stand together who see the same: one number for all groups, else 1."""
    sees = [learner.sees() for learner in learners]
    sizes = {sees.count(one) for one in sees}
    return sizes.pop() if len(sizes) == 1 else 1


def _asked(learners: Sequence[Learner], together: int) -> tuple[list[tuple[TeacherSignal, int]], list[int]]:
    """Each teacher's signal with each group it is asked about, once; and which of these is whose answer."""
    found: dict[tuple[int, int], int] = {}
    asked: list[tuple[TeacherSignal, int]] = []
    places: list[int] = []
    for place, learner in enumerate(learners):
        if learner.signal is None:
            places.append(0)
            continue
        key = id(learner.signal), place // together
        if key not in found:
            found[key] = len(asked)
            asked.append((learner.signal, place // together))
        places.append(found[key])
    return asked, places


def _row(inputs: Any, group: int) -> Any:
    return map_tensors(lambda part: part[group], inputs)


def _many(labels: Tensor) -> str:
    return "distributions as labels" if labels.is_floating_point() else "labels at many positions"
