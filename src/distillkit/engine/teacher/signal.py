"""The teacher's outputs: kept where the views are the same each time, live where they are not."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.engine.data.batch import rows_of
from distillkit.engine.data.sources import Source
from distillkit.engine.data.views import apply_view
from distillkit.engine.forward.capture import Capture, outputs_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.teacher.cache import cache_key
from distillkit.engine.teacher.policy import MOST_BYTES, CachePolicy
from distillkit.engine.trees import tensors_in
from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.transfer_sets import TransferSet
from distillkit.typing import Batch, Outputs

logger = logging.getLogger("distillkit")

_ROWS_CHECKED = 8


class TeacherSignal(ABC):
    """The teacher's outputs for the examples of a batch, without gradients."""

    def __call__(self, batch: Batch) -> Outputs:
        """Return the outputs for a batch, with its `teacher_inputs` if it has any."""
        own = batch.teacher_inputs
        return self.of(batch.inputs if own is None else own, batch.indices)

    @abstractmethod
    def of(self, inputs: Any, numbers: Tensor | None) -> Outputs:
        """Return the outputs for examples.

        Args:
            inputs: The teacher's inputs, a tensor or a mapping of tensors.
            numbers: The numbers of the examples, `[batch]`, int64, if they have any.
        """


class LiveTeacher(TeacherSignal):
    """A teacher that runs on each batch; the outputs of its layers are taken too where `capture` asks."""

    def __init__(self, teacher: nn.Module, precision: Precision, capture: Capture | None = None) -> None:
        self._teacher, self._precision, self._capture = teacher, precision, capture
        self._parts = tuple(teacher.modules())

    def of(self, inputs: Any, numbers: Tensor | None) -> Outputs:
        """Run the teacher in evaluation mode, without gradients."""
        # checking the modes is cheaper than setting them again
        training = any(part.training for part in self._parts)
        evaluating = mode(self._teacher, training=False) if training else nullcontext()
        with evaluating, torch.no_grad(), self._precision.autocast():
            outputs = outputs_of(self._teacher, inputs, "The teacher", self._capture)
        features = {name: feature.detach() for name, feature in outputs.features.items()}
        return Outputs(outputs.logits.detach(), features)


class CachedTeacher(TeacherSignal):
    """The kept outputs of a teacher for a whole transfer set, one row an example."""

    def __init__(self, rows: Outputs) -> None:
        self._rows = rows

    def of(self, inputs: Any, numbers: Tensor | None) -> Outputs:
        """Return the rows of the examples."""
        places = _places(numbers, self._rows.logits.device)
        features = {name: rows_of(kept, places) for name, kept in self._rows.features.items()}
        return Outputs(rows_of(self._rows.logits, places), features)


def teacher_signal(
    teacher: nn.Module,
    source: Source,
    *,
    selected: Tensor | None,
    transfer_set: TransferSet,
    precision: Precision,
    cache: CachePolicy,
    capture: Capture | None = None,
) -> TeacherSignal:
    """Return the teacher's outputs for a transfer set, kept where the policy allows and it is right.

    Before kept outputs are used, the teacher runs again on a few examples, in another batch and as in another
    epoch; if the outputs differ it runs live, with a warning.

    Outputs of layers are kept only if they take no more memory than the inputs, for this training alone and
    in no `TeacherCache`; otherwise the teacher runs live.
    """
    live = LiveTeacher(teacher, precision, capture)
    if not cache.keeps(source, transfer_set):
        return live
    few = _few(source, selected)
    batch = next(apply_view(source.batches(few, _ROWS_CHECKED), transfer_set, epoch=1))
    outputs = live(batch)
    probe = outputs.logits
    if not cache.has_room((source.size or 0) * probe[0].numel() * 4):
        logger.info("The teacher runs live: its outputs would take more than %d GiB.", MOST_BYTES >> 30)
        return live
    if not _are_small(outputs, batch):
        logger.info(
            "The teacher runs live: the loss uses its layers, whose outputs are larger than the inputs."
        )
        return live
    shared = cache.shared if capture is None else None
    key = None if shared is None else cache_key(teacher, source, selected, transfer_set, precision)
    if shared is not None and key is not None and (kept := shared.find(teacher, key, probe)) is not None:
        return CachedTeacher(Outputs(kept))
    rows = _all_rows(live, source, selected, transfer_set)
    if not _agree(rows, few.to(rows.logits.device), outputs):
        warnings.warn(
            "The teacher answered the same examples differently when it ran again, so its outputs are not "
            "kept and it runs live. Likely causes: dropout that is on in evaluation mode, or data that "
            "change from read to read.",
            stacklevel=3,
        )
        return live
    if shared is not None and key is not None:
        shared.keep(teacher, key, probe, rows.logits)
    return CachedTeacher(rows)


def _few(source: Source, selected: Tensor | None) -> Tensor:
    numbers = torch.arange(source.size or 0) if selected is None else selected
    return numbers[torch.linspace(len(numbers) - 1, 0, min(_ROWS_CHECKED, len(numbers))).long()]


def _are_small(outputs: Outputs, batch: Batch) -> bool:
    """Whether the features have a row an example, and no more bytes than the inputs."""
    features = list(outputs.features.values())
    rows = all(one.dim() > 0 and len(one) == len(outputs.logits) for one in features)
    return rows and sum(one.nbytes for one in features) <= sum(one.nbytes for one in tensors_in(batch.inputs))


def _all_rows(
    live: LiveTeacher, source: Source, selected: Tensor | None, transfer_set: TransferSet
) -> Outputs:
    rows = Outputs(torch.empty(0))
    for batch in apply_view(source.batches(selected, source.inference_batch_size), transfer_set, epoch=0):
        outputs = live(batch)
        logits = at_least_float32(outputs.logits)
        if not len(rows.logits):
            size = source.size or 0
            features = {name: _empty_rows(one, size) for name, one in outputs.features.items()}
            rows = Outputs(_empty_rows(logits, size), features)
        places = _places(batch.indices, rows.logits.device)
        rows.logits[places] = logits
        for name, feature in outputs.features.items():
            rows.features[name][places] = feature
    return rows


def _places(numbers: Tensor | None, device: torch.device) -> Tensor:
    """Return the numbers of examples, on the device of the rows.

    Raises:
        ConfigurationError: The examples have no numbers.
    """
    if numbers is None:
        raise ConfigurationError(
            "A cached teacher needs the numbers of the examples, and this batch has none."
        )
    return numbers.to(device)


def _empty_rows(one: Tensor, size: int) -> Tensor:
    # nan shows where a row is read that was never written
    return one.new_full((size, *one.shape[1:]), float("nan") if one.is_floating_point() else 0)


def _agree(rows: Outputs, few: Tensor, again: Outputs) -> bool:
    pairs = zip([rows.logits, *rows.features.values()], [again.logits, *again.features.values()], strict=True)
    return all(_close(kept[few].float(), new.float()) for kept, new in pairs)


def _close(kept: Tensor, again: Tensor) -> bool:
    if not bool(kept.isfinite().all()):
        return True  # not the cache's fault: a check of the first batch or of the loss refuses it
    # another batch size sums in another order; bfloat16 keeps 8 bits
    scale = float(kept.abs().max()) + 1e-6
    return bool((again - kept).abs().max() <= 0.02 * scale)
