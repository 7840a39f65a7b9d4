"""What a loss learns itself: made from shapes, trained with the student, and no part of it."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LinearLR

from distillkit import Distiller, losses
from distillkit.errors import ConfigurationError
from distillkit.losses import FitNet, WeightedSum
from distillkit.typing import Outputs

LOSS = FitNet(layers={"0": "0"})
HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


@pytest.fixture
def sides(net):
    """A student of 8 hidden units under a teacher of 12."""
    return {"teacher": net(1, hidden=12), "student": net(2)}


def values(module):
    """A copy of what it holds."""
    return copy.deepcopy(module.state_dict())


def test_they_are_made_from_the_shapes_and_trained(sides, data):
    """At the first batch, from the student's 8 to the teacher's 12; both sides of the loss move."""
    distiller = Distiller(**sides, loss=LOSS)
    assert distiller.adapters is None
    history = distiller.fit(data, epochs=3)
    (regressor,) = distiller.adapters
    assert (regressor.in_features, regressor.out_features) == (8, 12)
    assert history["loss"].is_monotonic_decreasing
    before = values(distiller.adapters), values(distiller.student)
    distiller.fit(data, epochs=1)
    assert not torch.equal(before[0]["0.weight"], regressor.weight)
    assert not torch.equal(before[1]["0.weight"], distiller.student[0].weight)


def test_the_student_has_no_part_in_them(sides, data):
    """Its state has the names and shapes that it had."""
    shapes = {name: value.shape for name, value in sides["student"].state_dict().items()}
    distiller = Distiller(**sides, loss=LOSS)
    distiller.fit(data, epochs=1)
    distiller.step(data)
    assert shapes == {name: value.shape for name, value in sides["student"].state_dict().items()}
    assert sum(1 for _ in sides["student"].modules()) == 5


def test_fit_equals_a_loop_by_hand(sides, data):
    """Student and regressor after four steps of SGD, whose gradients are clipped together."""
    distiller = Distiller(
        **sides, loss=LOSS, optimizer=lambda p: torch.optim.SGD(p, lr=0.5), clip_norm=0.1, compile="off"
    )
    twin = copy.deepcopy(sides["student"])
    seen = []
    distiller.step(data)
    (regressor,) = distiller.adapters
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        by_hand = nn.Linear(8, 12)
    parameters = [*twin.parameters(), *by_hand.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    for _ in range(4):
        seen.append(regressor.weight.detach().clone())
        optimizer.zero_grad()
        taught = sides["teacher"][0](data[0]).detach()
        ((by_hand(twin[0](data[0])) - taught).square().mean() / 2).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.1)
        optimizer.step()
        torch.testing.assert_close(by_hand.weight, regressor.weight)
        torch.testing.assert_close(twin[0].weight, sides["student"][0].weight)
        distiller.step(data)
    assert not torch.equal(seen[0], seen[-1])


def test_the_seed_decides_their_first_values(net, data):
    """One seed, one history; and the caller's randomness is left as it was."""

    def history(seed, way="fit"):
        distiller = Distiller(teacher=net(1, hidden=12), student=net(2), loss=LOSS, seed=seed)
        before = torch.get_rng_state()
        found = distiller.fit(data, epochs=2) if way == "fit" else distiller.step(data)
        assert torch.equal(before, torch.get_rng_state())
        return found["loss"].tolist() if way == "fit" else float(found["fitnet"])

    assert history(3) == history(3)
    assert history(3) != history(4)
    assert history(3, "step") == history(3, "step") != history(4, "step")


def test_an_optimiser_that_is_made_is_made_for_both(sides, data):
    """The function gets the parameters of student and regressor, and its settings hold for all."""
    distiller = Distiller(**sides, loss=LOSS, optimizer=lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    distiller.fit(data, epochs=1)
    (group,) = distiller.optimizer.param_groups
    assert len(group["params"]) == 4 + 2
    assert group["momentum"] == 0.9


def test_an_optimiser_that_is_given_gets_a_group(sides, data):
    """With the optimiser's own settings."""
    optimizer = torch.optim.SGD(sides["student"].parameters(), lr=0.1, momentum=0.5)
    distiller = Distiller(**sides, loss=LOSS, optimizer=optimizer)
    distiller.fit(data, epochs=2)
    assert distiller.optimizer is optimizer
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 2]
    assert optimizer.param_groups[1]["momentum"] == 0.5


@pytest.mark.parametrize("given", [False, True])
def test_a_schedule_that_is_made_moves_both(sides, data, given):
    """From the first rate on, also where it changed that as it was made, and for every group."""
    optimizer = torch.optim.SGD(sides["student"].parameters(), lr=1.0) if given else None
    distiller = Distiller(
        **sides,
        loss=LOSS,
        optimizer=optimizer or (lambda p: torch.optim.SGD(p, lr=1.0)),
        schedule=lambda made: LinearLR(made, start_factor=0.5, total_iters=2),
    )
    assert distiller.fit(data, epochs=3)["learning_rate"].tolist() == [0.5, 0.75, 1.0]
    assert all(group["lr"] == 1.0 for group in distiller.optimizer.param_groups)


def test_a_schedule_that_was_made_before_is_an_error(sides, data):
    """It would leave the regressor alone: the sentence says what to pass."""
    optimizer = torch.optim.SGD(sides["student"].parameters(), lr=1.0)
    distiller = Distiller(
        **sides, loss=LOSS, optimizer=optimizer, schedule=LambdaLR(optimizer, lambda epoch: 0.9**epoch)
    )
    with pytest.raises(ConfigurationError, match="this schedule was made before there were any"):
        distiller.fit(data, epochs=1)
    assert len(optimizer.param_groups) == 1


def test_the_log_says_what_was_adapted_and_how(sides, data, caplog):
    """Layers with their shapes, and what is learnt between them with its size."""
    with caplog.at_level(logging.INFO, logger="distillkit"):
        Distiller(**sides, loss=LOSS).fit(data, epochs=1)
    assert "The loss looks at 0 [8] of the student and 0 [12] of the teacher" in caplog.text
    assert "it learns Linear(in_features=8, out_features=12, bias=True) (108 numbers)" in caplog.text
    assert caplog.text.count("The loss looks at") == 1


def test_terms_have_their_own(net, data):
    """Two terms on one layer do not share, and a term that learns nothing has nothing."""
    loss = WeightedSum(terms={"a": LOSS, "hinton": HINTON, "b": WeightedSum(terms={"inner": LOSS})})
    distiller = Distiller(teacher=net(1, hidden=12), student=net(2), loss=loss)
    history = distiller.fit(data, epochs=1)
    assert list(history.columns) == ["epoch", "loss", "a", "hinton", "b", "learning_rate"]
    first, none, (second,) = distiller.adapters
    assert len(none) == 0
    assert not torch.equal(first[0].weight, second[0].weight)


def test_a_loss_inside_another_learns(net, data):
    """What stands around it hands on what it learns."""
    distiller = Distiller(teacher=net(1, hidden=12), student=net(2), loss=losses.CorrectedTeacher(loss=LOSS))
    distiller.fit(data, epochs=1)
    assert len(distiller.adapters) == 1


def test_float64_students_have_float64_adapters(net, data):
    """They are in the student's precision."""
    sides = {"teacher": net(1, hidden=12).double(), "student": net(2).double()}
    distiller = Distiller(**sides, loss=LOSS, precision="fp32")
    distiller.fit((data[0].double(), data[1]), epochs=1)
    assert distiller.adapters[0].weight.dtype == torch.float64


def test_layers_of_two_kinds_are_an_error(net, images):
    """Before anything is trained."""
    student = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(12, 4))
    teacher = nn.Sequential(nn.Flatten(), net(1))
    distiller = Distiller(teacher=teacher, student=student, loss=FitNet(layers={"0": "1.0"}))
    with pytest.raises(ConfigurationError, match=r"must be of one kind .* got \[2, 2, 2, 3\] of the student"):
        distiller.fit(images, epochs=1)


def test_batch_normalisation_is_left_alone_by_the_first_look(net, data):
    """The shapes are asked for in evaluation mode, which leaves running means as they are."""
    student, twin = net(2, norm=True), net(2, norm=True)
    Distiller(teacher=net(1, hidden=12), student=student, loss=LOSS).step(data)
    twin.train()(data[0])
    assert torch.equal(student[1].running_mean, twin[1].running_mean)


def test_without_a_distiller(net, data):
    """In a program of one's own the loss says what it needs, and works with it."""
    features = torch.randn(5, 8, requires_grad=True), torch.randn(5, 12)
    logits = torch.zeros(5, 4)
    teacher = Outputs(logits, {"0": features[1]})
    with pytest.raises(ConfigurationError, match="FitNet learns something itself"):
        LOSS(student=Outputs(logits, {"0": features[0]}), teacher=teacher, labels=None)
    made = LOSS.adapters(student=Outputs(logits, {"0": features[0]}), teacher=teacher)
    found = LOSS(student=Outputs(logits, {"0": features[0]}, made), teacher=teacher, labels=None)
    assert found.requires_grad
    with pytest.raises(ConfigurationError, match="Among what was taken, the teacher has no layer '0'"):
        LOSS(student=Outputs(logits, {"0": features[0]}, made), teacher=Outputs(logits), labels=None)
