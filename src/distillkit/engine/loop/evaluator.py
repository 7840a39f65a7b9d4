"""A model's logits on a whole set, and its metrics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distillkit.engine.checks import check_evaluation
from distillkit.engine.data.label_positions import cases
from distillkit.engine.data.sources import Source
from distillkit.engine.forward.modes import mode
from distillkit.engine.forward.precision import Precision
from distillkit.engine.teacher.policy import CachePolicy
from distillkit.engine.teacher.signal import TeacherSignal, teacher_signal
from distillkit.errors import ConfigurationError
from distillkit.metrics import Evaluation, evaluate_logits
from distillkit.outputs import call, logits_of
from distillkit.transfer_sets import Full


def all_logits(model: nn.Module, source: Source, precision: Precision) -> Tensor:
    """The logits of all cases in their order, `[cases, classes]`, float32; evaluation mode, no gradients."""
    return torch.cat([said for said, _, _ in _asked(model, source, precision, None)])


class Evaluator:
    """One labelled set, and what the teacher says of it, once where that is sound, else beside the student.

    Raises:
        ConfigurationError: The data hold nothing, or are known to have no labels.
    """

    def __init__(
        self,
        source: Source,
        teacher: nn.Module | None,
        precision: Precision,
        cache: CachePolicy,
    ) -> None:
        _refuse_nothing(source)
        if source.unchanging and source.labels() is None:
            raise _no_labels()
        self._source, self._precision = source, precision
        self._signal: TeacherSignal | None = None
        if teacher is not None:
            self._signal = teacher_signal(
                teacher, source, selected=None, transfer_set=Full(), precision=precision, cache=cache
            )

    def evaluate(self, student: nn.Module) -> Evaluation:
        """The student's metrics; raises as `answers`."""
        logits, teacher_logits, labels = self.answers(student)
        return evaluate_logits(logits, labels, teacher_logits)

    def answers(self, student: nn.Module) -> tuple[Tensor, Tensor | None, Tensor]:
        """The logits of the student and of the teacher, if any, and the labels, of all cases.

        Where an example has labels at many positions, each of those that count is a case.

        Raises:
            ConfigurationError: The data have no labels, none that counts, or labels and outputs do not fit
                together.
        """
        logits, teacher_logits, labels = [], [], []
        for answer in _asked(student, self._source, self._precision, self._signal):
            said, taught, true = cases(*answer)
            if true is None:
                raise _no_labels()
            if not len(true):
                continue
            check_evaluation(said, taught, true)
            logits.append(said)
            labels.append(true)
            if taught is not None:
                teacher_logits.append(taught)
        if not labels:
            raise _nothing()
        return torch.cat(logits), torch.cat(teacher_logits) if teacher_logits else None, torch.cat(labels)


def _asked(
    model: nn.Module, source: Source, precision: Precision, signal: TeacherSignal | None
) -> list[tuple[Tensor, Tensor | None, Tensor | None]]:
    """The logits of model and teacher, in float32, and the labels of all batches.

    In one pass, since a stream may come in another order next time.
    """
    _refuse_nothing(source)
    found = []
    with mode(model, training=False), torch.no_grad():
        for batch in source.batches(batch_size=source.inference_batch_size):
            with precision.autocast():
                logits = logits_of(call(model, batch.inputs)).float()
            found.append((logits, None if signal is None else signal(batch).logits.float(), batch.labels))
    if not found:
        raise _nothing()
    return found


def _refuse_nothing(source: Source) -> None:
    if source.size == 0:
        raise _nothing()


def _nothing() -> ConfigurationError:
    return ConfigurationError("There are no cases to evaluate.")


def _no_labels() -> ConfigurationError:
    return ConfigurationError(
        "Evaluation needs labels: give (inputs, labels), or use logits() for inputs alone."
    )
