"""The soft-target, hard-label and logit-matching policies: what they compute and what they ask for."""

from __future__ import annotations

import math

import pytest
import torch

from distillkit import functional
from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, LogitMatching, SoftTargets
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


def test_each_class_computes_its_function() -> None:
    """A loss holds settings and calls the pure function of its name."""
    sides = {"student": Outputs(STUDENT), "teacher": Outputs(TEACHER), "labels": LABELS}
    assert torch.equal(
        SoftTargets(temperature=4)(**sides),
        functional.distillation_kl(student=STUDENT, teacher=TEACHER, temperature=4.0),
    )
    assert torch.equal(LogitMatching()(**sides), functional.logit_matching(student=STUDENT, teacher=TEACHER))
    assert torch.equal(
        HardLabels(label_smoothing=0.2)(**sides),
        functional.hard_label_cross_entropy(student=STUDENT, labels=LABELS, label_smoothing=0.2),
    )


@pytest.mark.parametrize("temperature", [2, 20])
def test_unlabelled_soft_targets_keep_their_factor(temperature: float) -> None:
    """T² is there with and without labels, to the same bits."""
    loss = SoftTargets(temperature=temperature)
    labelled = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=LABELS)
    unlabelled = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    assert torch.equal(labelled, unlabelled)
    plain_kl = torch.nn.functional.kl_div(
        (STUDENT / temperature).log_softmax(-1), (TEACHER / temperature).softmax(-1), reduction="batchmean"
    )
    torch.testing.assert_close(unlabelled, temperature**2 * plain_kl)


def test_logit_matching_needs_no_labels() -> None:
    """An unlabelled batch is no obstacle to matching logits."""
    loss = LogitMatching()(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    assert loss.item() > 0


def test_hard_labels_need_no_teacher() -> None:
    """The baseline's loss is `F.cross_entropy`, with no teacher there."""
    loss = HardLabels()(student=Outputs(STUDENT), teacher=None, labels=LABELS)
    assert torch.equal(loss, torch.nn.functional.cross_entropy(STUDENT, LABELS))


def test_hard_labels_without_labels_say_the_ways_out() -> None:
    """An unlabelled batch where labels are needed is one sentence that names the ways out."""
    with pytest.raises(ConfigurationError, match=r"HardLabels needs labels.*SoftTargets.*label_weight=0"):
        HardLabels()(student=Outputs(STUDENT), teacher=None, labels=None)


@pytest.mark.parametrize("loss", [SoftTargets(temperature=2), LogitMatching()], ids=repr)
def test_no_teacher_is_one_sentence(loss: SoftTargets | LogitMatching) -> None:
    """A loss that compares with a teacher says so where there is none."""
    with pytest.raises(ConfigurationError, match=r"compares the student with a teacher, and there is none"):
        loss(student=Outputs(STUDENT), teacher=None, labels=LABELS)


@pytest.mark.parametrize("temperature", [0, -1, -0.0, math.nan, math.inf, -math.inf, "warm", None])
def test_temperatures_that_are_none_are_refused(temperature: object) -> None:
    """T must be a finite number above 0; anything else is one sentence that names the field and what came."""
    with pytest.raises(ConfigurationError, match=r"^temperature: .*, got .*\.$") as caught:
        SoftTargets(temperature=temperature)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan])
def test_label_smoothing_is_a_share(smoothing: float) -> None:
    """Label smoothing outside [0, 1] is refused."""
    with pytest.raises(ConfigurationError, match=r"^label_smoothing: "):
        HardLabels(label_smoothing=smoothing)
