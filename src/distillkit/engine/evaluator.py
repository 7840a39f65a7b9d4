"""A model's logits on a whole set, and its metrics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distillkit.engine.modes import mode
from distillkit.engine.precision import Precision
from distillkit.engine.sources import Source
from distillkit.errors import ConfigurationError
from distillkit.metrics import Evaluation, evaluate_logits
from distillkit.outputs import call, logits_of


def all_logits(model: nn.Module, source: Source, precision: Precision) -> Tensor:
    """The logits of every case in the order of the source, `[cases, classes]`, float32; evaluation mode, no gradients."""
    return _logits_and_labels(model, source, precision)[0]


class Evaluator:
    """One labelled set, and what the teacher says of it, asked once."""

    def __init__(self, source: Source, teacher: nn.Module | None, precision: Precision) -> None:
        self._source, self._precision, self._teacher = source, precision, teacher
        self._teacher_logits: Tensor | None = None

    def evaluate(self, student: nn.Module) -> Evaluation:
        """The student's metrics.

        Raises:
            ConfigurationError: The data have no labels.
        """
        logits, labels = _logits_and_labels(student, self._source, self._precision)
        if labels is None:
            raise ConfigurationError("Evaluation needs labels: give (inputs, labels), or use logits() for inputs alone.")
        if self._teacher is not None and self._teacher_logits is None:
            self._teacher_logits = all_logits(self._teacher, self._source, self._precision)
        return evaluate_logits(logits, labels, self._teacher_logits)


def _logits_and_labels(model: nn.Module, source: Source, precision: Precision) -> tuple[Tensor, Tensor | None]:
    logits, labels = [], []
    with mode(model, training=False), torch.no_grad():
        for batch in source.batches(batch_size=source.inference_batch_size):
            with precision.autocast():
                logits.append(logits_of(call(model, batch.inputs)).float())
            labels.append(batch.labels)
    if not logits:
        raise ConfigurationError("There are no cases to evaluate.")
    known = [part for part in labels if part is not None]
    return torch.cat(logits), torch.cat(known) if len(known) == len(labels) else None
