"""Tests of `Distiller.evaluate` and `Distiller.logits`."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from distillkit import Distiller, losses, metrics
from distillkit.errors import ConfigurationError


def distiller_of(net, **settings):
    """A Distiller whose teacher and student differ."""
    settings = {"teacher": net(1), "student": net(2), "precision": "fp32", **settings}
    return Distiller(loss=losses.SoftTargets(temperature=2), **settings)


def same(one: metrics.Evaluation, other: metrics.Evaluation) -> bool:
    """Whether two evaluations agree, the means up to the order of their sums."""
    left, right = one.numbers(), other.numbers()
    means = ("nll", "ece", "teacher_agreement", "teacher_kl")
    return all(
        left[name] == pytest.approx(right[name], abs=1e-6) if name in means else left[name] == right[name]
        for name in left
    )


@pytest.mark.parametrize(
    "form",
    [
        lambda data: data,
        lambda data: TensorDataset(*data),
        lambda data: DataLoader(TensorDataset(*data), batch_size=7),
        lambda data: [data],
        # as they come, in another order each time
        lambda data: DataLoader(TensorDataset(*data), batch_size=10, shuffle=True, drop_last=True),
        lambda data: DataLoader([*zip(*data, strict=True)], batch_size=7, shuffle=True),
    ],
)
def test_metrics_are_those_of_the_logits(net, data, form):
    """Student and teacher are asked of the same cases, in whatever order these come."""
    distiller = distiller_of(net)
    with torch.no_grad():
        expected = metrics.evaluate_logits(distiller.student(data[0]), data[1], distiller.teacher(data[0]))
    assert same(distiller.evaluate(form(data)), expected)


def test_a_teacher_beside_a_stream_is_asked_anew_in_each_epoch(net, data):
    """A shuffling stream is another order in each epoch, and the teacher's agreement is right in each."""
    teacher = net(1)
    student = net(1)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=losses.SoftTargets(temperature=2),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        precision="fp32",
    )
    stream = DataLoader(TensorDataset(*data), batch_size=10, shuffle=True, drop_last=True)
    history = distiller.fit(data, epochs=3, evaluate_on=stream)
    assert history["teacher_agreement"].tolist() == [1.0] * 3
    assert history["teacher_kl"].abs().max() < 1e-6


def test_evaluation_is_in_evaluation_mode_and_leaves_the_mode(net, data):
    """Dropout is off, batch normalisation keeps its statistics, and each part's mode is as it was."""
    student = net(2, dropout=0.5, norm=True)
    student[1].eval()
    modes = [part.training for part in student.modules()]
    statistics = student[1].running_mean.clone()
    distiller = distiller_of(net, student=student)
    assert torch.equal(distiller.logits(data[0]), distiller.logits(data))
    distiller.evaluate(data)
    assert [part.training for part in student.modules()] == modes
    assert torch.equal(student[1].running_mean, statistics)


def test_logits_are_in_the_order_of_the_data(net, data):
    """Float32, without gradients, one row a case; inputs alone are enough."""
    distiller = distiller_of(net, precision="bf16")
    logits = distiller.logits(data[0])
    assert logits.dtype == torch.float32
    assert not logits.requires_grad
    torch.testing.assert_close(logits, distiller.student(data[0]).detach(), atol=0.05, rtol=0.05)


def test_a_baseline_is_evaluated_without_a_teacher(net, data):
    """What compares with a teacher is None."""
    evaluation = distiller_of(net, teacher=None).evaluate(data)
    assert evaluation.teacher_agreement is None
    assert evaluation.teacher_kl is None


def test_one_case_is_evaluated(net, data):
    """A set of one case has metrics, and int32 labels are labels."""
    evaluation = distiller_of(net).evaluate((data[0][:1], data[1][:1].int()))
    assert evaluation.cases == 1


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (lambda x, y: x, "Evaluation needs labels"),
        (lambda x, y: [x], "Evaluation needs labels"),
        (lambda x, y: (x, y[:, None]), r"whole numbers of shape \[50\], got torch.int64 \[50, 1\]"),
        (lambda x, y: (x, y.float()), "whole numbers"),
        (lambda x, y: (x, y + 1), r"in \[0, 3\]"),
        (lambda x, y: (x[:0], y[:0]), "no cases"),
        (lambda x, y: [], "no cases"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(net, data, form, sentence):
    """Each wrong form has its own sentence, and none gives a number."""
    with pytest.raises(ConfigurationError, match=sentence):
        distiller_of(net).evaluate(form(*data))


def test_missing_labels_are_found_before_the_training(net, data):
    """Tensors without labels as evaluate_on are refused before the first step."""
    distiller = distiller_of(net)
    with pytest.raises(ConfigurationError, match="Evaluation needs labels"):
        distiller.fit(data, epochs=1, evaluate_on=data[0])
    assert distiller.epochs_done == 0


def test_a_teacher_of_other_classes_is_not_compared(net, data):
    """evaluate() refuses class counts that differ."""
    with pytest.raises(ConfigurationError, match="the teacher gives 5, the student 4"):
        distiller_of(net, teacher=nn.Linear(6, 5)).evaluate(data)


def test_labels_of_sequences_are_one_a_position(data):
    """Logits of sequences need them; inputs alone give the logits whole."""

    class PerToken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 4)

        def forward(self, x):
            return self.layer(x[..., None])

    distiller = Distiller(teacher=None, student=PerToken(), loss=losses.HardLabels())
    assert distiller.logits(data[0]).shape == (50, 6, 4)
    with pytest.raises(ConfigurationError, match=r"whole numbers of shape \[50, 6\], got torch.int64 \[50\]"):
        distiller.evaluate(data)
