"""The teacher's answers: computed once where the views are the same each time, live where they are not."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from distillkit.engine.arguments import one_of
from distillkit.engine.callbacks import Callback
from distillkit.engine.data.batch import rows_of
from distillkit.engine.data.sources import Source
from distillkit.engine.data.views import apply_view
from distillkit.engine.forward.capture import Capture, outputs_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.teacher.cache import TeacherCache, cache_key
from distillkit.engine.trees import tensors_in
from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch, Outputs

logger = logging.getLogger("distillkit")

TeacherCacheMode = Literal["auto", "on", "off"]

_ROWS_CHECKED = 8
_MOST_BYTES = 4 * 2**30
"""More is kept only when asked: the logits of a language model over its vocabulary would fill any memory."""


class LiveTeacher:
    """A teacher that answers each batch when it is asked, with what its layers give where that is wanted."""

    def __init__(self, teacher: nn.Module, precision: Precision, capture: Capture | None = None) -> None:
        self._teacher, self._precision, self._capture = teacher, precision, capture
        self._parts = tuple(teacher.modules())

    def __call__(self, batch: Batch) -> Outputs:
        """The teacher's outputs for what the student sees, in evaluation mode, without gradients."""
        # looking at the parts is cheaper than putting them into a mode that they are in
        training = any(part.training for part in self._parts)
        evaluating = mode(self._teacher, training=False) if training else nullcontext()
        with evaluating, torch.no_grad(), self._precision.autocast():
            said = outputs_of(self._teacher, batch.inputs, "The teacher", self._capture)
        return Outputs(said.logits.detach(), {name: one.detach() for name, one in said.features.items()})


class CachedTeacher:
    """A teacher whose answers to a whole transfer set are kept, one row an example."""

    def __init__(self, rows: Outputs) -> None:
        self._rows = rows

    def __call__(self, batch: Batch) -> Outputs:
        """The rows of the batch's examples."""
        numbers = _numbers(batch, self._rows.logits.device)
        features = {name: rows_of(kept, numbers) for name, kept in self._rows.features.items()}
        return Outputs(rows_of(self._rows.logits, numbers), features)


TeacherSignal = LiveTeacher | CachedTeacher


def cache_for(
    cache: TeacherCacheMode | TeacherCache, callbacks: Iterable[Callback]
) -> TeacherCacheMode | TeacherCache:
    """The cache that was asked for, off where a callback changes the teacher as the training goes.

    Raises:
        ConfigurationError: There is no such mode; or answers of a teacher that changes should be kept.
    """
    if not isinstance(cache, TeacherCache):
        one_of("teacher_cache", cache, ("auto", "on", "off"))
    if not any(one.changes_teacher for one in callbacks):
        return cache
    if cache not in ("auto", "off"):
        raise ConfigurationError(
            "A callback changes the teacher as the training goes, so a kept answer would be out of date "
            "after one step: use teacher_cache='auto' or 'off', with which the teacher runs live."
        )
    return "off"


def refuse_unsound_cache(
    cache: TeacherCacheMode | TeacherCache,
    source: Source,
    transfer_set: TransferSet,
    *,
    capture: Capture | None = None,
) -> None:
    """Refuse `on` where a kept answer could belong to another view, to no example, or not be enough.

    Raises:
        ConfigurationError: Says why.
    """
    if cache == "on" and capture is not None:
        raise ConfigurationError(
            "teacher_cache='on' keeps a teacher's logits, and this loss looks at its layers too: use "
            "teacher_cache='auto', which keeps what they give where that is small, or 'off'."
        )
    if cache == "on" and not transfer_set.same_view:
        raise ConfigurationError(
            f"{type(transfer_set).__name__} shows an example differently each time, so a kept answer of the "
            "teacher would belong to another view: use teacher_cache='auto' or 'off'."
        )
    if cache == "on" and source.size is None:
        raise ConfigurationError(
            "teacher_cache='on' needs data whose examples have numbers: pass tensors or a Dataset, not a "
            "stream of batches."
        )


def teacher_signal(
    teacher: nn.Module,
    source: Source,
    *,
    selected: Tensor | None,
    transfer_set: TransferSet,
    precision: Precision,
    cache: TeacherCacheMode | TeacherCache,
    capture: Capture | None = None,
) -> TeacherSignal:
    """The teacher's answers to a transfer set, kept where that is sound.

    `auto` and a `TeacherCache` keep them where the view is the same each time and the data are tensors; `on`
    also for a data set that the caller vouches for; `off` never. A few rows are asked again, in another batch
    and as of another epoch, before a cache is trusted; where they differ the teacher answers live, with a
    warning.

    A teacher whose layers are looked at runs live too, unless what they give takes no more memory than the
    inputs do; then it is kept for this training alone, and no `TeacherCache` has it.
    """
    live = LiveTeacher(teacher, precision, capture)
    sound = transfer_set.same_view and source.size is not None and (source.unchanging or cache == "on")
    if cache == "off" or not sound:
        return live
    few = _few(source, selected)
    asked = next(apply_view(source.batches(few, _ROWS_CHECKED), transfer_set, epoch=1))
    said = live(asked)
    probe = said.logits
    if cache != "on" and (source.size or 0) * probe[0].numel() * 4 > _MOST_BYTES:
        logger.info("The teacher runs live: its answers would take more than %d GiB.", _MOST_BYTES >> 30)
        return live
    if not _small(said, asked):
        logger.info("The teacher runs live: the loss looks at its layers, which give more than the inputs.")
        return live
    shared = cache if isinstance(cache, TeacherCache) and capture is None else None
    key = None if shared is None else cache_key(teacher, source, selected, transfer_set, precision)
    if shared is not None and key is not None and (found := shared.find(teacher, key, probe)) is not None:
        return CachedTeacher(Outputs(found))
    rows = _all_rows(live, source, selected, transfer_set)
    if not _agree(rows, few.to(rows.logits.device), said):
        warnings.warn(
            "The teacher answered the same examples differently when asked again, so its answers are not "
            "kept and it runs live: dropout that is on in evaluation mode, or data that change from read "
            "to read, would explain it.",
            stacklevel=3,
        )
        return live
    if shared is not None and key is not None:
        shared.keep(teacher, key, probe, rows.logits)
    return CachedTeacher(rows)


def _few(source: Source, selected: Tensor | None) -> Tensor:
    numbers = torch.arange(source.size or 0) if selected is None else selected
    return numbers[torch.linspace(len(numbers) - 1, 0, min(_ROWS_CHECKED, len(numbers))).long()]


def _small(said: Outputs, batch: Batch) -> bool:
    """Whether what the layers give has a row an example, and no more bytes than the inputs."""
    given = list(said.features.values())
    rows = all(one.dim() > 0 and len(one) == len(said.logits) for one in given)
    return rows and sum(one.nbytes for one in given) <= sum(one.nbytes for one in tensors_in(batch.inputs))


def _all_rows(
    live: LiveTeacher, source: Source, selected: Tensor | None, transfer_set: TransferSet
) -> Outputs:
    rows = Outputs(torch.empty(0))
    for batch in apply_view(source.batches(selected, source.inference_batch_size), transfer_set, epoch=0):
        said = live(batch)
        given = Outputs(at_least_float32(said.logits), said.features)
        if not len(rows.logits):
            room = [_room_for(one, source.size or 0) for one in (given.logits, *given.features.values())]
            rows = Outputs(room[0], dict(zip(given.features, room[1:], strict=True)))
        numbers = _numbers(batch, rows.logits.device)
        rows.logits[numbers] = given.logits
        for name, one in given.features.items():
            rows.features[name][numbers] = one
    return rows


def _numbers(batch: Batch, device: torch.device) -> Tensor:
    """The numbers of a batch's examples, where the rows are.

    Raises:
        ConfigurationError: They have none.
    """
    if batch.indices is None:
        raise ConfigurationError(
            "A cached teacher needs the numbers of the examples, and this batch has none."
        )
    return batch.indices.to(device)


def _room_for(one: Tensor, size: int) -> Tensor:
    # a row that is read and was never written is to be noticed
    return one.new_full((size, *one.shape[1:]), float("nan") if one.is_floating_point() else 0)


def _agree(rows: Outputs, few: Tensor, asked_again: Outputs) -> bool:
    kept = [rows.logits, *rows.features.values()]
    again = [asked_again.logits, *asked_again.features.values()]
    return all(_close(one[few].float(), other.float()) for one, other in zip(kept, again, strict=True))


def _close(kept: Tensor, asked_again: Tensor) -> bool:
    if not bool(kept.isfinite().all()):
        return True  # no matter of keeping: the first batch or the loss will say what is wrong
    # another batch size sums in another order; bfloat16 keeps 8 bits
    scale = float(kept.abs().max()) + 1e-6
    return bool((asked_again - kept).abs().max() <= 0.02 * scale)
