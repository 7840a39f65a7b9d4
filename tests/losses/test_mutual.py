"""Losses among students: the mean over the peers, whose answers are held fixed."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.losses import CTKD, DKD, FitNet, HardLabels, Loss, Mutual, SoftTargets, hinton
from distillkit.typing import Outputs

SAID = [3 * one for one in torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0)).double()]
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])
LOSSES = [Mutual().loss, SoftTargets(temperature=4), DKD(temperature=2), hinton(4, 0.1)]


def cohort(said: list[torch.Tensor]) -> Outputs:
    """An ensemble's outputs, and what its members say."""
    return Outputs(torch.stack(said).mean(0), {MEMBER_LOGITS: torch.stack(said, dim=1)})


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("count", [2, 3])
def test_is_the_mean_over_the_peers(loss: Loss, count: int) -> None:
    """Each student's contributions are those of the loss with each of the others as its teacher."""
    said = SAID[:count]
    found = Mutual(loss=loss).contributions(student=cohort(said), teacher=None, labels=LABELS)
    names = []
    for k, own in enumerate(said):
        with_each = [
            loss.contributions(student=Outputs(own), teacher=Outputs(peer), labels=LABELS)
            for j, peer in enumerate(said)
            if j != k
        ]
        for name in with_each[0]:
            names.append(f"{k + 1}.{name}")
            mean = sum(float(one[name]) for one in with_each) / (count - 1)
            assert float(found[names[-1]]) == pytest.approx(mean, rel=1e-12)
    assert list(found) == names
    whole = Mutual(loss=loss)(student=cohort(said), teacher=None, labels=LABELS)
    assert float(whole) == pytest.approx(sum(map(float, found.values())), rel=1e-12)


def test_gradient_of_each_is_that_of_its_own_loss() -> None:
    """For KL(p ‖ q) at T = 1 and cross-entropy: 2q less the peers' mean p and the label, over the batch."""
    leaves = [one.clone().requires_grad_() for one in SAID]
    Mutual()(student=cohort(leaves), teacher=None, labels=LABELS).backward()
    q = [one.softmax(-1) for one in SAID]
    hard = torch.nn.functional.one_hot(LABELS, 5)
    for k, leaf in enumerate(leaves):
        peers = (sum(q) - q[k]) / 2
        assert leaf.grad is not None
        torch.testing.assert_close(leaf.grad, (2 * q[k] - peers - hard) / 6)


def test_what_it_says_of_itself() -> None:
    """The peers are held fixed; it is a mean over examples where the loss inside is."""
    assert not Mutual().gradient_is_of_the_value
    assert not Mutual().needs().whole_batch
    assert Mutual().needs().student_layers == (MEMBER_LOGITS,)
    assert not Mutual().needs().learns


def test_schedules_inside_are_found() -> None:
    """By the path to them."""
    loss = Mutual.from_dict(
        {"loss": {"kind": "soft_targets", "temperature": {"kind": "linear", "start": 4, "end": 2}}}
    )
    assert list(loss.schedules()) == ["loss.temperature"]
    assert loss.at(0.5).loss == SoftTargets(temperature=3)


def test_what_is_refused() -> None:
    """Fewer than two students, no labels where they are needed, and losses that look beyond logits."""
    with pytest.raises(ConfigurationError, match=r"fewer than two of them \(1\)"):
        Mutual()(student=cohort(SAID[:1]), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match="The student is no Ensemble"):
        Mutual()(student=Outputs(SAID[0]), teacher=None, labels=LABELS)
    with pytest.raises(ConfigurationError, match="HardLabels needs labels"):
        Mutual()(student=cohort(SAID), teacher=None, labels=None)
    for loss in (FitNet(layers={"a": "x"}), CTKD()):
        with pytest.raises(ConfigurationError, match=f"{type(loss).__name__} looks at layers or learns"):
            Mutual(loss=loss)
    assert HardLabels() in Mutual().loss.terms.values()
