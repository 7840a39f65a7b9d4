"""The metrics against loops, and a calibration error worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from distillkit import metrics

CLASSES = 6
LOGITS, TEACHER = torch.randn(2, 400, CLASSES, generator=torch.Generator().manual_seed(0)) * 2
LOGITS[:, 4] -= 100  # a dead class
LABELS = torch.randint(CLASSES, (400,), generator=torch.Generator().manual_seed(1))


def softmax(row: list[float]) -> list[float]:
    """The probabilities of a row, in Python alone."""
    powers = [math.exp(value - max(row)) for value in row]
    return [power / math.fsum(powers) for power in powers]


def predicted(row: list[float]) -> int:
    """The class of the largest logit."""
    return row.index(max(row))


def test_errors_equal_a_loop() -> None:
    """Errors, and errors by true class, are what counting them one by one gives."""
    by_class = [0] * CLASSES
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        by_class[label] += predicted(row) != label
    assert metrics.test_errors(LOGITS, LABELS) == sum(by_class)
    assert metrics.errors_by_class(LOGITS, LABELS) == tuple(by_class)


def test_never_predicted_finds_the_dead() -> None:
    """Classes that are predicted for no case are named, and only they."""
    assert metrics.never_predicted(LOGITS) == (4,)
    assert metrics.never_predicted(torch.eye(3)) == ()
    assert metrics.never_predicted(torch.zeros(2, 3)) == (1, 2)


def test_likelihood_equals_a_loop() -> None:
    """The NLL is the mean of −log p(label), to float64's precision also from float32 logits."""
    total = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        total -= math.log(softmax(row)[label])
    assert metrics.negative_log_likelihood(LOGITS, LABELS) == pytest.approx(total / 400, rel=1e-12)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_equals_a_loop(bins: int) -> None:
    """The ECE is the weighted mean over bins (k/bins, (k+1)/bins] of |accuracy − mean confidence|."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        confidence = max(softmax(row))
        number = next(k for k in range(bins) if confidence <= (k + 1) / bins)
        members.setdefault(number, []).append((confidence, predicted(row) == label))
    expected = 0.0
    for cases in members.values():
        accuracy = sum(correct for _, correct in cases) / len(cases)
        confidence = sum(confidence for confidence, _ in cases) / len(cases)
        expected += len(cases) / 400 * abs(accuracy - confidence)
    found = metrics.expected_calibration_error(LOGITS, LABELS, bins=bins)
    assert found == pytest.approx(expected, rel=1e-9)


def test_calibration_error_by_hand() -> None:
    """Four cases of confidence 0.8, three right, and two of 0.6, both right: 4/6 · 0.05 + 2/6 · 0.4 = 1/6."""
    sure, unsure = [math.log(0.8), math.log(0.2)], [math.log(0.6), math.log(0.4)]
    logits = torch.tensor([sure] * 4 + [unsure] * 2, dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 0, 0])
    assert metrics.expected_calibration_error(logits, labels, bins=10) == pytest.approx(1 / 6)


def test_the_bins_of_a_reliability_diagram_by_hand() -> None:
    """Four cases of confidence 0.85, three right, and two of 0.65, both right: two of ten bins hold any."""
    sure, unsure = [math.log(0.85), math.log(0.15)], [math.log(0.65), math.log(0.35)]
    logits = torch.tensor([sure] * 4 + [unsure] * 2, dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 0, 0])
    found = metrics.calibration_bins(logits, labels, bins=10)
    assert [one.cases for one in found] == [2, 4]
    assert [one.confidence for one in found] == pytest.approx([0.65, 0.85])
    assert [one.accuracy for one in found] == [1.0, 0.75]


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_bins_make_the_calibration_error(bins: int) -> None:
    """Their gaps, weighted by their cases, are its mean."""
    found = metrics.calibration_bins(LOGITS, LABELS, bins=bins)
    assert sum(one.cases for one in found) == 400
    mean = sum(one.cases * abs(one.accuracy - one.confidence) for one in found) / 400
    assert metrics.expected_calibration_error(LOGITS, LABELS, bins=bins) == pytest.approx(mean, rel=1e-12)


def test_calibration_bins_include_their_upper_end() -> None:
    """A confidence of exactly 1/2 belongs to the first of two bins: the gaps 0.5 and −0.9 do not cancel."""
    logits = torch.tensor([[0.0, 0.0], [math.log(0.9), math.log(0.1)]], dtype=torch.float64)
    found = metrics.expected_calibration_error(logits, torch.tensor([0, 1]), bins=2)
    assert found == pytest.approx((0.5 + 0.9) / 2)


def test_agreement_equals_a_loop() -> None:
    """The agreement is the share of cases on which both sides predict one class, whatever the labels."""
    pairs = zip(LOGITS.tolist(), TEACHER.tolist(), strict=True)
    same = sum(predicted(student) == predicted(teacher) for student, teacher in pairs)
    assert metrics.teacher_agreement(LOGITS, TEACHER) == same / 400
    assert metrics.teacher_agreement(LOGITS, LOGITS) == 1


def test_divergence_from_the_teacher_equals_a_loop() -> None:
    """The KL is that of the student from the teacher at T = 1, and not the other way round."""
    total = 0.0
    for student, teacher in zip(LOGITS.tolist(), TEACHER.tolist(), strict=True):
        q, p = softmax(student), softmax(teacher)
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert metrics.teacher_kl(LOGITS, TEACHER) == pytest.approx(total / 400, rel=1e-9)
    assert metrics.teacher_kl(TEACHER, LOGITS) != pytest.approx(total / 400, rel=0.1)


def test_shared_errors_equal_a_loop() -> None:
    """Cases that both get wrong, each as whatever class; a side shares all of its errors with itself."""
    triples = zip(LOGITS.tolist(), TEACHER.tolist(), LABELS.tolist(), strict=True)
    both = sum(predicted(mine) != label and predicted(theirs) != label for mine, theirs, label in triples)
    assert metrics.shared_errors(LOGITS, TEACHER, LABELS) == both
    assert metrics.shared_errors(TEACHER, LOGITS, LABELS) == both
    assert metrics.shared_errors(LOGITS, LOGITS, LABELS) == metrics.test_errors(LOGITS, LABELS)


def test_an_evaluation_holds_them_all() -> None:
    """`evaluate_logits` gives each metric as its function does; without a teacher, none of the teacher's."""
    found = metrics.evaluate_logits(LOGITS, LABELS, TEACHER)
    assert found.cases == 400
    assert found.numbers() == {
        "test_errors": metrics.test_errors(LOGITS, LABELS),
        "errors_by_class": metrics.errors_by_class(LOGITS, LABELS),
        "never_predicted": (4,),
        "nll": metrics.negative_log_likelihood(LOGITS, LABELS),
        "ece": metrics.expected_calibration_error(LOGITS, LABELS),
        "teacher_agreement": metrics.teacher_agreement(LOGITS, TEACHER),
        "teacher_kl": metrics.teacher_kl(LOGITS, TEACHER),
        "teacher_errors": metrics.test_errors(TEACHER, LABELS),
        "shared_errors": metrics.shared_errors(LOGITS, TEACHER, LABELS),
    }
    assert torch.equal(found.predictions, LOGITS.argmax(-1))
    alone = metrics.evaluate_logits(LOGITS, LABELS)
    assert alone.teacher_agreement is None
    assert alone.teacher_kl is None
    assert alone.teacher_errors is None
    assert alone.shared_errors is None


def test_extreme_logits_are_finite() -> None:
    """Certainty on the wrong class is a large NLL and an ECE of 1, both finite."""
    far = torch.tensor([[1e4, -1e4]])
    found = metrics.evaluate_logits(far, torch.tensor([1]), -far)
    assert (found.nll, found.ece, found.teacher_kl) == (2e4, 1.0, 2e4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float64(dtype: torch.dtype) -> None:
    """Metrics of half-precision logits are those of the same numbers in float64."""
    half = LOGITS.to(dtype)
    exact = metrics.evaluate_logits(half.double(), LABELS)
    assert metrics.evaluate_logits(half, LABELS).numbers() == exact.numbers()
