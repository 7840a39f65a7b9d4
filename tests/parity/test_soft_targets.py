"""Hinton's loss in Model Optimizer, Keras, timm, TextBrewer and torchmetrics, and what else they have."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillkit import functional, metrics

Agree = Callable[..., None]
Peer = Callable[[str], ModuleType]


def soft_targets(batch: Any) -> Tensor:
    """Ours of a batch."""
    return functional.distillation_kl(
        student=batch.student, teacher=batch.teacher, temperature=batch.temperature
    )


def test_modelopt_averages_over_the_classes(peer: Peer, batch: Any, agree: Agree) -> None:
    """Its default divides by the classes too: by 10 here, by a vocabulary in a language model."""
    loss = peer("modelopt.torch.distill.losses").LogitsDistillationLoss(temperature=batch.temperature)
    agree(soft_targets(batch), batch.classes * loss(batch.student, batch.teacher), rtol=batch.rtol)


def test_modelopt_summed_over_the_classes_agrees(peer: Peer, batch: Any, agree: Agree) -> None:
    """When it is told to."""
    loss = peer("modelopt.torch.distill.losses").LogitsDistillationLoss(
        temperature=batch.temperature, reduction="batchmean"
    )
    agree(soft_targets(batch), loss(batch.student, batch.teacher), rtol=batch.rtol)


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> Any:
    """Keras, on torch."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    peer("keras.distillation")
    return peer("keras")


def test_keras_agrees_if_it_is_given_a_divergence(keras: Any, batch: Any, agree: Agree) -> None:
    """As an object; it goes through probabilities of at least 1e-7, in the precision of its settings."""
    loss = keras.distillation.LogitsDistillation(batch.temperature, keras.losses.KLDivergence())
    agree(soft_targets(batch), loss.compute_loss(batch.teacher, batch.student), rtol=1e-4)


def test_keras_default_is_no_divergence_of_probabilities(keras: Any, batch: Any, agree: Agree) -> None:
    """The same divergence by its name is taken of the logits themselves, cut to [1e-7, 1], and without T²."""
    found = keras.distillation.LogitsDistillation(batch.temperature).compute_loss(
        batch.teacher, batch.student
    )
    p, q = ((side / batch.temperature).clamp(1e-7, 1) for side in (batch.teacher, batch.student))
    agree(found, (p * (p / q).log()).sum(dim=-1).mean(), rtol=1e-5)
    assert float(found) != pytest.approx(float(soft_targets(batch)), rel=0.05)


def test_keras_loses_a_student_that_is_sure_and_wrong(keras: Any) -> None:
    """Its probability is cut off at 1e-7: a loss of 16 in place of 60, and no gradient to mend it."""
    teacher = torch.tensor([[60.0, 0.0]])
    student = torch.tensor([[0.0, 60.0]], requires_grad=True)
    loss = keras.distillation.LogitsDistillation(1.0, keras.losses.KLDivergence())
    found = loss.compute_loss(teacher, student)
    assert float(found.detach()) == pytest.approx(math.log(1e7), rel=1e-3)
    (gradient,) = torch.autograd.grad(found, student)
    assert gradient.abs().max() < 1e-6
    ours = functional.distillation_kl(student=student, teacher=teacher, temperature=1.0)
    assert float(ours.detach()) == pytest.approx(60)
    (gradient,) = torch.autograd.grad(ours, student)
    assert gradient.abs().max() == pytest.approx(1)


class _Linear(nn.Module):
    """What timm asks of a model, and its logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(logits)
        self.pretrained_cfg = {"mean": (0.0,), "std": (1.0,)}
        self.num_classes, self.in_chans = logits.shape[1], 1

    def forward(self, inputs: Tensor) -> Tensor:
        """Of example i, which is the i-th unit vector, the i-th row."""
        return inputs.flatten(1) @ self.weight


def test_timm_agrees(peer: Peer, batch: Any, agree: Agree) -> None:
    """Its task on two models."""
    task = peer("timm.task").LogitDistillationTask(
        _Linear(batch.student),
        _Linear(batch.teacher),
        criterion=nn.CrossEntropyLoss(),
        temperature=batch.temperature,
        dtype=batch.student.dtype,
        verbose=False,
    )
    inputs = torch.eye(len(batch.student), dtype=batch.student.dtype)[:, None, None]
    agree(soft_targets(batch), task(inputs, batch.labels)["kd_loss"].detach(), rtol=batch.rtol)


def test_textbrewers_is_a_cross_entropy_without_the_factor(peer: Peer, batch: Any, agree: Agree) -> None:
    """Less the teacher's entropy and times T² it is ours; so T changes its weight."""
    found = peer("textbrewer.losses").kd_ce_loss(batch.student, batch.teacher, batch.temperature)
    p = F.softmax(batch.teacher / batch.temperature, dim=-1)
    entropy = -(p * p.log()).sum(dim=-1).mean()
    agree(soft_targets(batch), batch.temperature**2 * (found - entropy), rtol=max(batch.rtol, 1e-8) * 100)


def test_textbrewers_squares_are_not_centred(peer: Peer, batch: Any, agree: Agree) -> None:
    """Half of theirs at T = 1 is ours where both sides' logits have the mean 0."""
    student, teacher = (side - side.mean(dim=-1, keepdim=True) for side in (batch.student, batch.teacher))
    found = peer("textbrewer.losses").kd_mse_loss(student, teacher, batch.temperature)
    ours = functional.logit_matching(student=student, teacher=teacher)
    agree(ours, batch.temperature**2 * found / 2, rtol=batch.rtol)


def test_textbrewers_hidden_states_are_twice_hints(
    peer: Peer, rows: tuple[Tensor, Tensor], agree: Agree
) -> None:
    """The mean square, without the half of the paper."""
    found = peer("textbrewer.losses").hid_mse_loss(*rows)
    agree(functional.hint_regression(student=rows[0], teacher=rows[1]), found / 2)


def test_textbrewers_flows_are_means(peer: Peer, maps: tuple[Tensor, Tensor], agree: Agree) -> None:
    """Theirs averages the squares over the matrix, the paper adds them."""
    one, other = ([side[:4], side[1:5, :2]] for side in maps)
    tokens = [[layer.flatten(2).mT for layer in side] for side in (one, other)]
    found = peer("textbrewer.losses").fsp_loss(*tokens)
    ours = functional.flow_distance(student=(one[0], one[1]), teacher=(other[0], other[1]))
    agree(ours, found * 6 * 2)


def test_torchmetrics_divergences_agree(peer: Peer, batch: Any, agree: Agree) -> None:
    """Of the softened probabilities, times T²."""
    theirs = peer("torchmetrics.functional.regression")
    p, q = (F.softmax(side / batch.temperature, dim=-1) for side in (batch.teacher, batch.student))
    factor, rtol = batch.temperature**2, max(batch.rtol, 1e-8) * 100
    agree(soft_targets(batch), factor * theirs.kl_divergence(p, q), rtol=rtol)
    ours = functional.generalized_jsd(
        student=batch.student, teacher=batch.teacher, temperature=batch.temperature, teacher_share=0.5
    )
    agree(ours, factor * theirs.jensen_shannon_divergence(p, q), rtol=rtol)


def test_torchmetrics_calibration_error_agrees(peer: Peer, batch: Any, agree: Agree) -> None:
    """Over 15 bins."""
    theirs = peer("torchmetrics.functional.classification").multiclass_calibration_error
    found = theirs(F.softmax(batch.student.double(), dim=-1), batch.labels, num_classes=10, n_bins=15)
    agree(metrics.expected_calibration_error(batch.student, batch.labels), found, rtol=1e-5)
