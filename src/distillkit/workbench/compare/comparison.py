"""A teacher and a student side by side: size, speed, errors and calibration."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from distillkit.engine.checks import check_devices
from distillkit.engine.data.batch import move
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.data.sources import Source
from distillkit.engine.forward.precision import Precision, PrecisionName, resolve_precision
from distillkit.engine.loop.evaluator import Evaluator
from distillkit.engine.teacher.policy import CachePolicy
from distillkit.errors import ConfigurationError
from distillkit.metrics import CalibrationBin, Evaluation, calibration_bins, evaluate_logits
from distillkit.workbench.compare.inspection import EXAMPLES, describe_model
from distillkit.workbench.compare.speed import Speed, Spread, measure_latency, measure_throughput, rows
from distillkit.workbench.results.environment import environment
from distillkit.workbench.runs.weights import weights_bytes
from distillkit.workbench.statistics.summaries import Comparison, mcnemar


@dataclass(frozen=True)
class Size:
    """How large a model is."""

    parameters: int
    """Numbers that are learnt; one that is shared counts once."""
    multiply_adds: int
    """Multiply-adds of all matrix products and convolutions, for one example."""
    not_counted: dict[str, int]
    """Classes of the innermost modules that are not in `multiply_adds`, how many each."""
    file_bytes: int | None
    """Bytes of its state dict as a safetensors file; `None` where the state is more than tensors."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of both models to the same labelled cases."""

    teacher: Evaluation
    student: Evaluation
    """With its agreement with the teacher, its KL from it, and the errors that both share."""
    test: Comparison
    """The teacher's errors less the student's, and the exact McNemar test of that difference."""
    teacher_bins: tuple[CalibrationBin, ...]
    """The bins of its reliability diagram."""
    student_bins: tuple[CalibrationBin, ...]

    @property
    def cases(self) -> int:
        """How many both were asked."""
        return self.student.cases

    @property
    def shared_errors(self) -> int:
        """Cases that both predict wrongly."""
        return cast("int", self.student.shared_errors)  # there is a teacher

    @property
    def agreement(self) -> float:
        """Share of cases on which both predict the same class."""
        return cast("float", self.student.teacher_agreement)


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """A teacher and a student side by side."""

    teacher: Size
    student: Size
    latency: Speed
    """Times of one example at a time."""
    throughput: Speed
    """Times of whole batches."""
    answers: Answers | None
    """`None` where there are no data."""
    measured_on: dict[str, Any]
    """Versions, processor, threads, device and precision."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data; a number that is not finite is `None`."""
        return {
            "teacher": asdict(self.teacher),
            "student": asdict(self.student),
            "latency": {
                **_rounds(self.latency),
                "teacher_seconds": _spread(self.latency.seconds("teacher")),
                "student_seconds": _spread(self.latency.seconds("student")),
            },
            "throughput": {
                **_rounds(self.throughput),
                "teacher_examples_a_second": _spread(self.throughput.examples_a_second("teacher")),
                "student_examples_a_second": _spread(self.throughput.examples_a_second("student")),
            },
            "answers": None if self.answers is None else _as_data(self.answers),
            "measured_on": self.measured_on,
        }


def compare_models(
    teacher: nn.Module,
    student: nn.Module,
    *,
    inputs: Any = None,
    data: Any = None,
    batch_size: int = 32,
    precision: PrecisionName = "auto",
    seconds: float = 5.0,
) -> ModelComparison:
    """Measure two models in one go: sizes, speed, and, where there are data, answers.

    Both run in evaluation mode without gradients and are left as they were.

    Args:
        teacher: Any module.
        student: Another, on the same device.
        inputs: A batch as both take it, of at least one example; the first batch of `data` where it is left
            out.
        data: Labelled cases in any form that `Distiller.evaluate` takes.
        batch_size: Examples in a batch of the throughput, ≥ 1.
        precision: Of the forward passes, as in `Distiller`; weights stay as they are.
        seconds: About how long each of the two measurements of speed goes on, > 0.

    Raises:
        ConfigurationError: Models, inputs and data do not fit together, or there are neither inputs nor data.

    Example:
        >>> inputs = torch.zeros(1, 4)
        >>> found = compare_models(nn.Linear(4, 8), nn.Linear(4, 2), inputs=inputs, seconds=0.01)
        >>> found.teacher.parameters, found.student.parameters
        (40, 10)
        >>> found.latency.rounds >= 5, found.answers is None
        (True, True)
    """
    if batch_size < 1:
        raise ConfigurationError(f"A batch has at least one example, got batch_size={batch_size}.")
    device = _device_of(student)
    check_devices(student, teacher, device)
    settled = resolve_precision(precision, device)
    source = None if data is None else as_source(data, device)
    with own_randomness(0, device):
        if inputs is None:
            inputs = _first_inputs(source)
        inputs = move(inputs, device)
        large, small = _size(teacher, inputs, "teacher"), _size(student, inputs, "student")
        answers = None if source is None else _answers(teacher, student, source, settled)
        latency = measure_latency(teacher, student, inputs, precision=settled, seconds=seconds)
        throughput = measure_throughput(
            teacher, student, inputs, batch_size=batch_size, precision=settled, seconds=seconds
        )
    return ModelComparison(large, small, latency, throughput, answers, environment(device, settled.name))


def _device_of(model: nn.Module) -> torch.device:
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _first_inputs(source: Source | None) -> Any:
    if source is None:
        raise ConfigurationError("A comparison needs inputs or data: give a batch as the models take it.")
    first = next(iter(source.batches()), None)
    if first is None:
        raise ConfigurationError("There are no cases to compare the models on.")
    return first.inputs


def _size(model: nn.Module, inputs: Any, who: str) -> Size:
    found = describe_model(model, rows(inputs, EXAMPLES), f"The {who}")
    try:
        file_bytes = len(weights_bytes(model))
    except ConfigurationError:
        file_bytes = None
    return Size(found.parameters, found.multiply_adds, found.not_counted, file_bytes)


def _answers(teacher: nn.Module, student: nn.Module, source: Source, precision: Precision) -> Answers:
    logits, said, labels = Evaluator(source, teacher, precision, CachePolicy("off")).answers(student)
    teacher_logits = cast("Tensor", said)  # a teacher was given
    wrong = [(one.argmax(dim=-1) != labels).cpu().numpy() for one in (teacher_logits, logits)]
    return Answers(
        teacher=evaluate_logits(teacher_logits, labels),
        student=evaluate_logits(logits, labels, teacher_logits),
        test=mcnemar(*wrong),
        teacher_bins=calibration_bins(teacher_logits, labels),
        student_bins=calibration_bins(logits, labels),
    )


def _rounds(speed: Speed) -> dict[str, Any]:
    return {"batch_size": speed.batch_size, "rounds": speed.rounds, "speedup": _spread(speed.speedup)}


def _spread(spread: Spread) -> dict[str, float]:
    lower, upper = spread.quartiles
    return {"lower_quartile": lower, "median": spread.median, "upper_quartile": upper}


def _as_data(answers: Answers) -> dict[str, Any]:
    of_one = ("test_errors", "errors_by_class", "never_predicted", "nll", "ece")
    student = answers.student
    sides = (("teacher", answers.teacher, answers.teacher_bins), ("student", student, answers.student_bins))
    return {
        "cases": answers.cases,
        **{
            side: {
                **{name: _plain(getattr(one, name)) for name in of_one},
                "calibration": [_plain(asdict(part)) for part in bins],
            }
            for side, one, bins in sides
        },
        "shared_errors": answers.shared_errors,
        "teacher_agreement": answers.agreement,
        "teacher_kl": _plain(student.teacher_kl),
        "test": {"name": answers.test.test, "p": answers.test.p},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
