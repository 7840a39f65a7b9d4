"""Metrics of a student: errors, calibration, and agreement and shared errors with its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional import distillation_kl


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The metrics of one model on one labelled set.

    Attributes:
        cases: Number of cases.
        test_errors: Number of cases whose predicted class is wrong.
        errors_by_class: Number of wrong cases of each true class.
        never_predicted: Classes that are predicted for no case.
        nll: Mean negative log-likelihood of the labels, in nats.
        ece: Expected calibration error, in [0, 1].
        teacher_agreement: Share of cases on which student and teacher predict the same class; `None` without
            a teacher.
        teacher_kl: Mean KL(teacher ‖ student) at T = 1, in nats; `None` without a teacher.
        teacher_errors: Number of cases that the teacher predicts wrongly; `None` without a teacher.
        shared_errors: Number of cases that both predict wrongly, as the same class or not; `None` without a
            teacher.
        predictions: Predicted class of each case, `[cases]`, int64, on the CPU.
    """

    cases: int
    test_errors: int
    errors_by_class: tuple[int, ...]
    never_predicted: tuple[int, ...]
    nll: float
    ece: float
    teacher_agreement: float | None
    teacher_kl: float | None
    teacher_errors: int | None
    shared_errors: int | None
    predictions: Tensor

    def numbers(self) -> dict[str, Any]:
        """Return all metrics by name, without `cases` and `predictions`."""
        names = (
            "test_errors", "errors_by_class", "never_predicted", "nll", "ece", "teacher_agreement",
            "teacher_kl", "teacher_errors", "shared_errors",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def evaluate_logits(logits: Tensor, labels: Tensor, teacher_logits: Tensor | None = None) -> Evaluation:
    """Return all metrics of a model's logits.

    Args:
        logits: `[cases, classes]`.
        labels: `[cases]`, int64.
        teacher_logits: `[cases, classes]`, or `None`.
    """
    return Evaluation(
        cases=len(labels),
        test_errors=test_errors(logits, labels),
        errors_by_class=errors_by_class(logits, labels),
        never_predicted=never_predicted(logits),
        nll=negative_log_likelihood(logits, labels),
        ece=expected_calibration_error(logits, labels),
        teacher_agreement=None if teacher_logits is None else teacher_agreement(logits, teacher_logits),
        teacher_kl=None if teacher_logits is None else teacher_kl(logits, teacher_logits),
        teacher_errors=None if teacher_logits is None else test_errors(teacher_logits, labels),
        shared_errors=None if teacher_logits is None else shared_errors(logits, teacher_logits, labels),
        predictions=logits.argmax(dim=-1).cpu(),
    )


def test_errors(logits: Tensor, labels: Tensor) -> int:
    """Return the number of cases whose predicted class is wrong.

    Example:
        >>> test_errors(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1]))
        1
    """
    return int((logits.argmax(dim=-1) != labels).sum())


# pytest collects functions by this prefix
test_errors.__test__ = False  # type: ignore[attr-defined]


def errors_by_class(logits: Tensor, labels: Tensor) -> tuple[int, ...]:
    """Return the number of wrong cases of each true class, one entry a class.

    Example:
        >>> errors_by_class(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1]))
        (0, 1)
    """
    wrong = labels[logits.argmax(dim=-1) != labels]
    return tuple(wrong.bincount(minlength=logits.shape[-1]).tolist())


def never_predicted(logits: Tensor) -> tuple[int, ...]:
    """Return the classes that are predicted for no case, as those of dead outputs.

    Example:
        >>> never_predicted(torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
        (2,)
    """
    counts = logits.argmax(dim=-1).bincount(minlength=logits.shape[-1])
    return tuple((counts == 0).nonzero().flatten().tolist())


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """Return the mean of −log p(label), in nats.

    Example:
        >>> round(negative_log_likelihood(torch.zeros(1, 10), torch.tensor([3])), 4)
        2.3026
    """
    return float(F.cross_entropy(logits.double(), labels))


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return the mean distance of confidence from accuracy over bins of equal width, weighted by cases.

    Args:
        logits: `[cases, classes]`.
        labels: `[cases]`, int64.
        bins: Number of bins of (0, 1], ≥ 1.

    Returns:
        A number in [0, 1]; 0 is perfectly calibrated.

    Example:
        >>> confident_and_wrong = torch.tensor([[100.0, 0.0]])
        >>> expected_calibration_error(confident_and_wrong, torch.tensor([1]))
        1.0

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    confidence, correct, number = _binned(logits, labels, bins)
    gaps = torch.zeros(bins, dtype=torch.float64, device=logits.device)
    gaps.scatter_add_(0, number, correct - confidence)
    return float(gaps.abs().sum() / len(labels))


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The cases whose confidence lies in one range.

    Attributes:
        cases: Number of cases, at least 1.
        confidence: Mean probability of the predicted class, in (0, 1].
        accuracy: Share of cases whose predicted class is right, in [0, 1].
    """

    cases: int
    confidence: float
    accuracy: float


def calibration_bins(logits: Tensor, labels: Tensor, bins: int = 15) -> tuple[CalibrationBin, ...]:
    """Return the bins of `expected_calibration_error`, for a reliability diagram.

    Args:
        logits: `[cases, classes]`.
        labels: `[cases]`, int64.
        bins: Number of bins of (0, 1], ≥ 1.

    Returns:
        The bins that hold cases, from the least confident to the most.

    Example:
        >>> calibration_bins(torch.tensor([[100.0, 0.0]]), torch.tensor([1]))
        (CalibrationBin(cases=1, confidence=1.0, accuracy=0.0),)

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, section 2, reliability diagrams.
    """
    confidence, correct, number = _binned(logits, labels, bins)
    counts = number.bincount(minlength=bins)
    means = [number.bincount(weights=values, minlength=bins) / counts for values in (confidence, correct)]
    return tuple(
        CalibrationBin(int(counts[one]), float(means[0][one]), float(means[1][one]))
        for one in counts.nonzero().flatten().tolist()
    )


def _binned(logits: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return each case's confidence, whether it is correct, and the number of its bin."""
    confidence, predicted = logits.double().softmax(dim=-1).max(dim=-1)
    correct = (predicted == labels).double()
    # the bin (k/bins, (k+1)/bins] has the number k
    return confidence, correct, ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)


def teacher_agreement(student_logits: Tensor, teacher_logits: Tensor) -> float:
    """Return the share of cases on which both predict the same class, in [0, 1].

    Example:
        >>> teacher_agreement(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[5.0, 0.0], [1.0, 0.0]]))
        0.5
    """
    return float((student_logits.argmax(dim=-1) == teacher_logits.argmax(dim=-1)).double().mean())


def teacher_kl(student_logits: Tensor, teacher_logits: Tensor) -> float:
    """Return the mean KL(teacher ‖ student) of the probabilities at T = 1, in nats.

    Example:
        >>> teacher_kl(torch.tensor([[2.0, 1.0]]), torch.tensor([[2.0, 1.0]]))
        0.0
    """
    student, teacher = student_logits.double(), teacher_logits.double()
    return float(distillation_kl(student=student, teacher=teacher, temperature=1.0))


def shared_errors(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> int:
    """Return the number of cases that both predict wrongly, as the same class or not.

    The student's other errors are its own; the teacher's other errors are those that it did not learn.

    Example:
        >>> student, teacher = torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[5.0, 0.0], [1.0, 0.0]])
        >>> shared_errors(student, teacher, torch.tensor([1, 1]))
        1
    """
    wrong = student_logits.argmax(dim=-1) != labels
    return int((wrong & (teacher_logits.argmax(dim=-1) != labels)).sum())
