"""A model's logits on a whole set, and its metrics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distillkit.engine.first_batch import check_evaluation
from distillkit.engine.modes import mode
from distillkit.engine.precision import Precision
from distillkit.engine.sources import Source
from distillkit.engine.teacher_cache import TeacherCache
from distillkit.engine.teacher_signal import TeacherCacheMode, TeacherSignal, teacher_signal
from distillkit.errors import ConfigurationError
from distillkit.metrics import Evaluation, evaluate_logits
from distillkit.outputs import call, logits_of
from distillkit.transfer_sets import Full


def all_logits(model: nn.Module, source: Source, precision: Precision) -> Tensor:
    """The logits of all cases in their order, `[cases, classes]`, float32; evaluation mode, no gradients."""
    return _ask(model, source, precision, None)[0]


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
        cache: TeacherCacheMode | TeacherCache,
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

        Raises:
            ConfigurationError: The data have no labels, or labels and outputs do not fit together.
        """
        logits, teacher_logits, labels = _ask(student, self._source, self._precision, self._signal)
        if labels is None:
            raise _no_labels()
        check_evaluation(logits, teacher_logits, labels)
        return logits, teacher_logits, labels


def _ask(
    model: nn.Module, source: Source, precision: Precision, signal: TeacherSignal | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The logits of model and teacher and the labels of all cases.

    In one pass, since a stream may come in another order next time.
    """
    _refuse_nothing(source)
    logits, teacher_logits, labels = [], [], []
    with mode(model, training=False), torch.no_grad():
        for batch in source.batches(batch_size=source.inference_batch_size):
            with precision.autocast():
                logits.append(logits_of(call(model, batch.inputs)).float())
            if signal is not None:
                teacher_logits.append(signal(batch).logits.float())
            if batch.labels is not None:
                labels.append(batch.labels)
    if not logits:
        raise _nothing()
    return (
        torch.cat(logits),
        torch.cat(teacher_logits) if teacher_logits else None,
        torch.cat(labels) if len(labels) == len(logits) else None,
    )


def _refuse_nothing(source: Source) -> None:
    if source.size == 0:
        raise _nothing()


def _nothing() -> ConfigurationError:
    return ConfigurationError("There are no cases to evaluate.")


def _no_labels() -> ConfigurationError:
    return ConfigurationError(
        "Evaluation needs labels: give (inputs, labels), or use logits() for inputs alone."
    )
