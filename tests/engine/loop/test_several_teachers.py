"""Layers of several teachers at once: found by name, taken as each has them, and left as they were."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch
from torch import nn

from distillkit import Distiller, Ensemble, losses
from distillkit.errors import ConfigurationError
from distillkit.losses import BestOf, FitNet, SoftTargets, WeightedSum
from distillkit.typing import Outputs


def sgd(parameters):
    """Plain steps."""
    return torch.optim.SGD(parameters, lr=0.1)


@pytest.fixture
def several(net):
    """A narrow and a wide teacher, and one that has no say."""
    members = [net(1), net(3, hidden=12), net(5)]
    return Ensemble(members, average="probabilities", weights=[1, 2, 0])


def test_each_feature_loss_meets_another_member(several, net, data, apart):
    """One step on layers of all three and on what they say together is the one written by hand."""
    loss = WeightedSum(
        terms={
            "soft": SoftTargets(temperature=4),
            "narrow": apart(layers={"0": "members.0.0"}),
            "silent": apart(layers={"3": "members.2.3"}),
        },
        weights={"soft": 1, "narrow": 0.5, "silent": 2},
    )
    student, twin = net(2), net(2)
    settings = {"teacher": several, "loss": loss, "optimizer": sgd, "precision": "fp32"}
    history = Distiller(student=student, **settings).fit(data, epochs=1, batch_size=50)
    inputs = data[0]
    with torch.no_grad():
        narrow, wide, silent = (member.eval() for member in several.members)
        mixed = (narrow(inputs).softmax(-1) + 2 * wide(inputs).softmax(-1)).div(3).log()
        targets = narrow[0](inputs), silent[3](silent[:3](inputs))
    value = SoftTargets(temperature=4)(student=Outputs(twin(inputs)), teacher=Outputs(mixed), labels=None)
    value = value + 0.5 * (twin[0](inputs) - targets[0]).square().mean()
    value = value + 2 * (twin[3](twin[:3](inputs)) - targets[1]).square().mean()
    value.backward()
    assert history["loss"].item() == pytest.approx(value.item(), rel=1e-5)
    with torch.no_grad():
        for ours, theirs in zip(student.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs - 0.1 * theirs.grad)


def test_members_are_frozen_and_given_back_as_they_came(several, net, data, apart):
    """Modes, gradients, hooks and values of each, whatever each was in before."""
    narrow, wide, silent = several.members
    wide.eval()
    silent.requires_grad_(False)
    before = copy.deepcopy(several.state_dict())
    loss = WeightedSum(
        terms={
            "hint": FitNet(layers={"0": "members.1.0"}),
            "near": apart(layers={"0": "members.0.0"}),
            "best": BestOf(),
        }
    )
    distiller = Distiller(teacher=several, student=net(2), loss=loss)
    distiller.fit(data, epochs=2, evaluate_on=data)
    distiller.step(data)
    assert [member.training for member in (narrow, wide, silent)] == [True, False, True]
    grads = [member[0].weight.requires_grad for member in (narrow, wide, silent)]
    assert grads == [True, True, False]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in several.modules())
    assert all(parameter.grad is None for parameter in several.parameters())
    assert all(torch.equal(value, before[name]) for name, value in several.state_dict().items())


def test_patterns_are_of_one_member(several, net, data, apart):
    """`members.1.*` finds that member's layers, paired in order as of any model."""
    teacher, student = several, net(2, hidden=12)
    by_pattern = apart(layers={"[03]": "members.1.[03]"})
    by_name = apart(layers={"0": "members.1.0", "3": "members.1.3"})
    histories = [
        Distiller(teacher=teacher, student=copy.deepcopy(student), loss=loss).fit(data, epochs=2)
        for loss in (by_pattern, by_name)
    ]
    # values are the same, and so is the order in which they are added
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_patterns_across_members_pair_in_order_or_say_what_to_do(net, data, apart):
    """One layer of the student cannot meet two; two can."""
    teacher = Ensemble([net(1), net(3)], average="logits")
    one = Distiller(teacher=teacher, student=net(2), loss=apart(layers={"0": "members.*.0"}))
    with pytest.raises(
        ConfigurationError, match=r"2 of the teacher .*: list the pairs one by one, and use a second loss"
    ):
        one.step(data)

    class Two(nn.Module):
        """Two bodies, each of which learns from another teacher."""

        def __init__(self):
            super().__init__()
            self.bodies = nn.ModuleList([net(2), net(4)])

        def forward(self, x):
            return self.bodies[0](x) + self.bodies[1](x)

    loss = apart(layers={"bodies.*.0": "members.*.0"})
    history = Distiller(teacher=teacher, student=Two(), loss=loss).fit(data, epochs=3)
    assert history["loss"].is_monotonic_decreasing


def test_a_member_that_is_not_there_and_one_that_stands_twice(several, net, data, apart):
    """A sentence for each."""
    with pytest.raises(ConfigurationError, match=r"The teacher has no layer 'members.3.0': did you mean"):
        Distiller(teacher=several, student=net(2), loss=apart(layers={"0": "members.3.0"}))
    twice = net(1)
    teacher = Ensemble([twice, twice], average="logits")
    distiller = Distiller(teacher=teacher, student=net(2), loss=apart(layers={"0": "members.0.0"}))
    with pytest.raises(ConfigurationError, match=r"'members.0.0' runs more than once"):
        distiller.step(data)


@pytest.mark.parametrize("epochs", [1, 4])
def test_what_the_members_say_is_kept(several, net, images, epochs):
    """For the best of them the teachers run once, as for their mix, where that is no more than the inputs."""
    asked = []
    several.members[0].register_forward_hook(lambda _part, inputs, _output: asked.append(len(inputs[0])))
    wide = images[0].flatten(1).repeat(1, 2), images[1]
    teacher = nn.Sequential(nn.Linear(12, 6), several)
    with pytest.raises(ConfigurationError, match="The teacher is no Ensemble"):
        Distiller(teacher=teacher, student=nn.Linear(12, 4), loss=BestOf())
    spread = Ensemble(
        [nn.Sequential(nn.Linear(12, 6), member) for member in several.members], average="logits"
    )
    student = nn.Linear(12, 4)
    for cache in ("auto", "off"):
        asked.clear()
        distiller = Distiller(teacher=spread, student=student, loss=BestOf(), teacher_cache=cache)
        distiller.fit(wide, epochs=epochs)
        # two for shapes, eight that are asked again
        assert sum(asked) == (8 + 50 if cache == "auto" else 50 * epochs)


def test_the_best_of_kept_answers_is_that_of_live_ones(several, net, data):
    """The same histories, with the hidden layers of a member beside it."""
    inputs, labels = data
    wide = inputs.repeat(1, 4).double(), labels
    members = [nn.Sequential(nn.Linear(24, 6), member) for member in several.members]
    teacher = Ensemble(members, average="probabilities").double()
    student = nn.Sequential(nn.Linear(24, 6), net(2)).double()
    loss = WeightedSum(terms={"best": BestOf(), "hint": FitNet(layers={"0": "members.2.0"})})
    histories = [
        Distiller(
            teacher=teacher, student=copy.deepcopy(student), loss=loss, teacher_cache=cache, precision="fp32"
        ).fit(wide, epochs=3, batch_size=16)
        for cache in ("auto", "off")
    ]
    pd.testing.assert_frame_equal(*histories, rtol=1e-10)
    assert isinstance(losses.Loss.from_yaml(loss.to_yaml()), WeightedSum)
