"""The teacher's answers: computed once where the views are the same each time, live where they are not."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distillkit.engine.batch import Batch
from distillkit.engine.modes import mode
from distillkit.engine.precision import Precision
from distillkit.engine.sources import Source
from distillkit.errors import ConfigurationError
from distillkit.outputs import call, logits_of
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Outputs

logger = logging.getLogger("distillkit")

TeacherCacheMode = Literal["auto", "on", "off"]
View = Callable[[Any, int, Tensor], Any]

_ROWS_CHECKED = 8


class LiveTeacher:
    """A teacher that answers each batch when it is asked."""

    def __init__(self, teacher: nn.Module, precision: Precision) -> None:
        self._teacher, self._precision = teacher, precision

    def __call__(self, batch: Batch) -> Outputs:
        """The teacher's outputs for the batch as the student sees it, in evaluation mode, without gradients."""
        with mode(self._teacher, training=False), torch.no_grad(), self._precision.autocast():
            logits = logits_of(call(self._teacher, batch.inputs), "The teacher")
        return Outputs(logits.detach())


class CachedTeacher:
    """A teacher whose answers to a whole transfer set are kept, one row an example."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows

    def __call__(self, batch: Batch) -> Outputs:
        """The rows of the batch's examples."""
        if batch.indices is None:
            raise ConfigurationError("A cached teacher needs the numbers of the examples, and this batch has none.")
        return Outputs(self._rows[batch.indices.to(self._rows.device)])


TeacherSignal = LiveTeacher | CachedTeacher


def teacher_signal(
    teacher: nn.Module,
    source: Source,
    selected: Tensor | None,
    transfer_set: TransferSet,
    precision: Precision,
    cache: TeacherCacheMode,
) -> TeacherSignal:
    """The teacher's answers to a transfer set, kept where that is sound.

    `auto` keeps them where the view is the same each time and the data are tensors; `on` also for a data set that the
    caller vouches for; `off` never. A few rows are asked again, in another batch, before a cache is trusted; where
    they differ the teacher answers live, with a warning.

    Raises:
        ConfigurationError: `cache` is `on` where a kept answer would belong to another view.
    """
    live = LiveTeacher(teacher, precision)
    if cache == "on" and not transfer_set.same_view:
        raise ConfigurationError(
            f"{type(transfer_set).__name__} shows an example differently each time, so a kept answer of the teacher would "
            "belong to another view: use teacher_cache='auto' or 'off'."
        )
    if cache == "on" and source.size is None:
        raise ConfigurationError(
            "teacher_cache='on' needs data whose examples have numbers: pass tensors or a Dataset, not a stream of batches."
        )
    sound = transfer_set.same_view and source.size is not None and (source.unchanging or cache == "on")
    if cache == "off" or not sound:
        return live
    kept = CachedTeacher(_all_rows(live, source, selected, transfer_set))
    if _agrees(kept, live, source, selected, transfer_set):
        return kept
    warnings.warn(
        "The teacher answered the same examples differently when asked again, so its answers are not kept and it runs "
        "live: dropout that is on in evaluation mode, or data that change from read to read, would explain it.",
        stacklevel=3,
    )
    return live


def viewed(batch: Batch, transfer_set: TransferSet, epoch: int, position: int) -> Batch:
    """The batch in the transfer set's view; examples without numbers count from `position`."""
    indices = batch.indices
    if indices is None:
        first = next(iter(batch.inputs.values())) if isinstance(batch.inputs, dict) else batch.inputs
        indices = torch.arange(position, position + len(first), device=first.device)
    inputs = transfer_set.view(batch.inputs, epoch=epoch, indices=indices)
    return Batch(inputs, batch.labels if transfer_set.keeps_labels else None, batch.indices)


def _all_rows(live: LiveTeacher, source: Source, selected: Tensor | None, transfer_set: TransferSet) -> Tensor:
    rows: Tensor | None = None
    for batch in source.batches(selected, source.inference_batch_size):
        logits = live(viewed(batch, transfer_set, 0, 0)).logits.float()
        if rows is None:
            rows = logits.new_full((source.size or 0, *logits.shape[1:]), float("nan"))
        rows[batch.indices.to(rows.device)] = logits  # type: ignore[union-attr]
    if rows is None:
        raise ConfigurationError("The transfer set is empty: no example is left for the student.")
    return rows


def _agrees(
    kept: CachedTeacher, live: LiveTeacher, source: Source, selected: Tensor | None, transfer_set: TransferSet
) -> bool:
    numbers = torch.arange(source.size or 0) if selected is None else selected
    few = numbers[torch.linspace(len(numbers) - 1, 0, min(_ROWS_CHECKED, len(numbers))).long()]
    batch = viewed(next(iter(source.batches(few))), transfer_set, 0, 0)
    asked_again, kept_rows = live(batch).logits.float(), kept(batch).logits
    # another batch size sums in another order; bfloat16 keeps 8 bits
    scale = float(kept_rows.abs().max()) + 1e-6
    return bool((asked_again - kept_rows).abs().max() <= 0.02 * scale)
