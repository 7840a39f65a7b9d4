"""Distillers one after another: the numbers of `fit` by hand, and what is left when a stage stops."""

from __future__ import annotations

import copy
from itertools import pairwise

import pandas as pd
import pytest
import torch

from distillkit import Callback, Distiller, Ensemble, MeanTeacher, fit_in_turn, losses
from distillkit.errors import ConfigurationError, DivergenceError
from distillkit.typing import Outputs
from optimizers import sgd

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
AGAIN = losses.SoftTargets(temperature=1)


def generations(networks, **settings):
    """Distillers for born-again generations, the first on the labels."""
    first = Distiller(teacher=None, student=networks[0], loss=losses.HardLabels(), optimizer=sgd)
    return [first] + [
        Distiller(teacher=old, student=new, loss=AGAIN, optimizer=sgd, seed=7, **settings)
        for old, new in pairwise(networks)
    ]


def assert_same_weights(one, other):
    """To the bit."""
    for left, right in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_generations_are_fits_by_hand(net, data):
    """Two generations after the first: each row and weight is that of three fits, to the bit."""
    networks = [net(seed, norm=True, dropout=0.2) for seed in (1, 2, 3)]
    twins = copy.deepcopy(networks)
    found = fit_in_turn(generations(networks), data, epochs=2, batch_size=16, evaluate_on=data)
    by_hand = [
        distiller.fit(data, epochs=2, batch_size=16, evaluate_on=data) for distiller in generations(twins)
    ]
    for network, twin in zip(networks, twins, strict=True):
        assert_same_weights(network, twin)
    for stage, history in enumerate(by_hand, start=1):
        rows = found[found["stage"] == stage].reset_index(drop=True)
        of_both = ("teacher_agreement", "teacher_kl", "teacher_errors", "shared_errors")
        numbers = dict.fromkeys(of_both, float)  # None without a teacher
        pd.testing.assert_frame_equal(rows[history.columns], history.astype(numbers))
    assert found["stage"].tolist() == [1, 1, 2, 2, 3, 3]
    assert found["teacher_kl"].dtype == "float64"
    assert found.columns[0] == "stage"
    assert len(found.attrs["seconds"]) == 6


def test_the_ensemble_of_the_generations_averages_them(net, data):
    """The last teacher of all may be every network so far."""
    networks = [net(seed) for seed in (1, 2, 3)]
    last = Distiller(
        teacher=Ensemble(networks, average="probabilities"), student=net(4, hidden=2), loss=AGAIN
    )
    history = fit_in_turn([*generations(networks), last], data, epochs=1)
    assert history["stage"].tolist() == [1, 2, 3, 4]
    ensemble = last.teacher.eval()
    with torch.no_grad():
        mean = torch.stack([one.eval()(data[0]).softmax(-1) for one in networks]).mean(0)
        torch.testing.assert_close(ensemble(data[0]).softmax(-1), mean)


def test_a_chain_of_assistants(net, data):
    """Networks of falling size; columns that a stage lacks are NaN there."""
    sizes = [net(size, hidden=size) for size in (16, 8, 4)]
    chain = [Distiller(teacher=one, student=other, loss=HINTON) for one, other in pairwise(sizes)]
    history = fit_in_turn(chain, data, epochs=2)
    assert history["stage"].tolist() == [1, 1, 2, 2]
    mixed = fit_in_turn([*chain[:1], Distiller(teacher=sizes[1], student=net(0), loss=AGAIN)], data, epochs=1)
    assert mixed["soft"].isna().tolist() == [False, True]


def test_an_ensemble_of_all_before_is_dense_guidance(net, data):
    """At T = 1: the gradient of soft targets of the ensemble is the mean of those of each member."""
    teachers, x = [net(1), net(2)], data[0]
    said = [Outputs(one(x).detach()) for one in teachers]
    together = Outputs(Ensemble(teachers, average="probabilities")(x).detach())
    logits = net(3)(x).detach().requires_grad_()
    of_each = [AGAIN(student=Outputs(logits), teacher=one, labels=None) for one in said]
    (expected,) = torch.autograd.grad(sum(of_each) / 2, logits)
    whole = AGAIN(student=Outputs(logits), teacher=together, labels=None)
    torch.testing.assert_close(torch.autograd.grad(whole, logits)[0], expected)


def test_the_cache_is_filled_after_the_teacher_is_trained(net, data):
    """A later stage asks its teacher as it is then: the loss of the first step against the untrained net."""
    networks = [net(1), net(2)]
    untrained = networks[0](data[0]).detach().clone()
    first, second = generations(networks)
    seen = []

    def keep(*, student, teacher, labels):
        seen.append(teacher.logits.clone())
        return AGAIN(student=student, teacher=teacher, labels=labels)

    second.loss = keep
    fit_in_turn([first, second], data, epochs=1, batch_size=50)
    trained = networks[0](data[0]).detach()
    assert not torch.allclose(seen[0].sort(0).values, untrained.sort(0).values)
    torch.testing.assert_close(seen[0].sort(0).values, trained.sort(0).values)


def test_a_student_can_be_trained_on(net, data):
    """Two stages for one student: hints first, then soft targets, as FitNets has it."""
    teacher, student = net(1), net(2)
    hints = Distiller(teacher=teacher, student=student, loss=losses.FitNet(layers={"0": "0"}))
    soft = Distiller(teacher=teacher, student=student, loss=AGAIN)
    assert fit_in_turn([hints, soft], data, epochs=1)["stage"].tolist() == [1, 2]


def test_a_mean_teacher_can_be_the_assistant(net, data):
    """The average that a stage has made teaches the next one."""
    assistant = net(1)
    mean = MeanTeacher(assistant)
    first = Distiller(teacher=mean.teacher, student=assistant, loss=HINTON, callbacks=[mean])
    second = Distiller(teacher=mean.teacher, student=net(2), loss=AGAIN)
    assert fit_in_turn([first, second], data, epochs=1)["stage"].tolist() == [1, 2]


class _Interrupts(Callback):
    def on_step_end(self, distiller, step):
        raise KeyboardInterrupt


def test_an_interrupt_leaves_the_earlier_students_trained(net, data):
    """Ctrl-C in the second stage: the first student is what its own fit makes it, and one can go on."""
    networks, twin = [net(1), net(2), net(3)], net(1)
    stages = generations(networks, callbacks=[_Interrupts()])
    with pytest.raises(KeyboardInterrupt) as caught:
        fit_in_turn(stages, data, epochs=2)
    assert caught.value.__notes__ == ["In stage 2 of 3; the students of the stages before it are trained."]
    generations([twin])[0].fit(data, epochs=2)
    assert_same_weights(networks[0], twin)
    history = fit_in_turn(generations(networks)[1:], data, epochs=1)
    assert history["stage"].tolist() == [1, 2]


def test_a_divergence_leaves_the_earlier_students_trained(net, data):
    """The second stage's learning rate is far too high."""
    networks, twin = [net(1), net(2)], net(1)
    stages = generations(networks)
    wild = Distiller(
        teacher=networks[0], student=networks[1], loss=AGAIN,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e300),
    )  # fmt: skip
    with pytest.raises(DivergenceError, match="no longer finite") as caught:
        fit_in_turn([stages[0], wild], data, epochs=5, batch_size=8)
    assert caught.value.__notes__[0].startswith("In stage 2 of 2")
    generations([twin])[0].fit(data, epochs=5, batch_size=8)
    assert_same_weights(networks[0], twin)


def test_a_broken_chain_is_refused(net, data):
    """A teacher that is only a copy of a student before it would not be trained."""
    first, second = net(1), net(2)
    copied = Distiller(teacher=copy.deepcopy(first), student=second, loss=AGAIN)
    with pytest.raises(ConfigurationError, match="stage 2 learns from no student of the stages before it"):
        fit_in_turn([*generations([first]), copied], data, epochs=1)
    with pytest.raises(ConfigurationError, match="at least one"):
        fit_in_turn([], data, epochs=1)
    with pytest.raises(ConfigurationError, match="must be a Distiller, got Linear in stage 1"):
        fit_in_turn([torch.nn.Linear(1, 1)], data, epochs=1)
    with pytest.raises(ConfigurationError, match="epochs must be at least 1"):
        fit_in_turn(generations([first]), data, epochs=0)
