"""Mutual learning against a loop by hand in float64, and its history."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

from distillkit import Callback, Distiller, Ensemble, fit_mutually, losses, transfer_sets
from distillkit.engine.data.seeds import epoch_order
from distillkit.errors import ConfigurationError, DivergenceError


def sgd(parameters):
    """The optimiser of these tests."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3)


def by_hand(students, x, y, *, epochs, batch_size, seed):
    """Deep mutual learning in plain torch, an optimiser for each; gives the mean losses of each epoch."""
    optimizers = [sgd(student.parameters()) for student in students]
    means = []
    for student in students:
        student.train()
    for epoch in range(epochs):
        sums = [0.0] * len(students)
        parts = epoch_order(torch.arange(len(x)), seed, epoch).split(batch_size)
        for part in parts:
            log_q = [F.log_softmax(student(x[part]), -1) for student in students]
            for k, own in enumerate(log_q):
                loss = F.nll_loss(own, y[part])
                for j, peer in enumerate(log_q):
                    if j != k:
                        p = peer.detach().exp()
                        divergence = sum(
                            p[i, c] * (p[i, c].log() - own[i, c]) for i in range(len(part)) for c in range(4)
                        )
                        loss = loss + divergence / len(part) / (len(students) - 1)
                optimizers[k].zero_grad()
                loss.backward()
                sums[k] += float(loss.detach())
            for optimizer in optimizers:
                optimizer.step()
        means.append([total / len(parts) for total in sums])
    return means


@pytest.mark.parametrize("count", [2, 3])
def test_equals_a_loop_by_hand(net, data, count):
    """Losses and weights, running statistics too, of two or three networks of other sizes and parts."""
    x, y = data
    students = [net(1, norm=True), net(2, hidden=3), net(3, hidden=5, norm=True)][:count]
    twins = copy.deepcopy(students)
    history = fit_mutually(students, data, epochs=2, batch_size=16, optimizer=sgd, seed=5)
    means = by_hand(twins, x, y, epochs=2, batch_size=16, seed=5)
    assert history["loss"].tolist() == pytest.approx([one for epoch in means for one in epoch], rel=1e-11)
    assert history["peer"].tolist() == [*range(1, count + 1)] * 2
    assert history["epoch"].tolist() == [1] * count + [2] * count
    for student, twin in zip(students, twins, strict=True):
        for left, right in zip(student.state_dict().values(), twin.state_dict().values(), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)


def test_history_has_each_students_own_numbers(net, data):
    """Its loss is the sum of its terms, and its metrics at the end are those of its own answers."""
    students = [net(1), net(2, hidden=3)]
    history = fit_mutually(students, data, epochs=2, evaluate_on=data)
    assert list(history.columns)[:6] == ["epoch", "peer", "loss", "soft", "hard", "learning_rate"]
    assert history["loss"].tolist() == pytest.approx((history["soft"] + history["hard"]).tolist())
    for peer, student in enumerate(students, start=1):
        wrong = int((student.eval()(data[0]).argmax(-1) != data[1]).sum())
        assert history[history["peer"] == peer]["test_errors"].iloc[-1] == wrong
    assert len(history.attrs["seconds"]) == 2


def test_settings_of_a_distiller_carry_through(net, data):
    """Schedules, of the rate and of a weight, callbacks, seeds, and a transfer set without labels."""

    class Stop(Callback):
        def on_epoch_end(self, distiller, row):
            if row["epoch"] == 2:
                distiller.stop()

    def run(seed):
        return fit_mutually(
            [net(1, dropout=0.5), net(2, dropout=0.5)],
            data,
            epochs=9,
            loss=losses.SoftTargets(temperature=losses.Loss.from_dict(
                {"kind": "soft_targets", "temperature": {"kind": "linear", "start": 4, "end": 1}}
            ).temperature),
            transfer_set=transfer_sets.Unlabelled(),
            optimizer=sgd,
            schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
            callbacks=[Stop()],
            seed=seed,
        )  # fmt: skip

    history = run(3)
    assert list(history.columns) == ["epoch", "peer", "loss", "learning_rate", "loss.temperature"]
    assert history["learning_rate"].tolist() == [0.1, 0.1, 0.05, 0.05]
    assert history["loss.temperature"].tolist() == pytest.approx([4, 4, 4 - 1 / 3, 4 - 1 / 3])
    assert history.equals(run(3))
    assert not history.equals(run(4))


def test_the_callers_randomness_is_not_moved(net, data):
    """Also where what is evaluated on is read through a loader, which draws a seed each time."""
    loader = DataLoader(ConcatDataset([TensorDataset(*data)]), batch_size=10)
    before = torch.get_rng_state()
    fit_mutually([net(1), net(2)], data, epochs=1, evaluate_on=loader)
    assert torch.equal(torch.get_rng_state(), before)


class _Answer(NamedTuple):
    logits: Tensor
    more: str


class _Wrapped(nn.Module):
    """A network that gives more than logits."""

    def __init__(self, inner) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return _Answer(self.inner(x), "more")


def test_students_may_give_objects_with_logits(net, data):
    """As everywhere else; the numbers are those of the networks inside."""
    plain = fit_mutually([net(1), net(2)], data, epochs=1)
    wrapped = fit_mutually([_Wrapped(net(1)), net(2)], data, epochs=1)
    assert plain.equals(wrapped)


def test_a_loop_of_ones_own(net, data):
    """An `Ensemble` as the student and the loss: one step is one step of the function."""
    students, twins = [net(1), net(2)], [net(1), net(2)]
    own = Distiller(
        teacher=None, student=Ensemble(students, average="logits"), loss=losses.Mutual(), optimizer=sgd
    )
    order = epoch_order(torch.arange(50), 0, 0)
    found = own.step((data[0][order], data[1][order]))
    history = fit_mutually(twins, data, epochs=1, batch_size=50, optimizer=sgd)
    assert list(found) == ["1.soft", "1.hard", "2.soft", "2.hard"]
    assert float(found["2.soft"]) == pytest.approx(history["soft"][1], rel=1e-12)
    torch.testing.assert_close(students[1][0].weight, twins[1][0].weight)


def test_students_are_left_as_plain_modules(net, data):
    """No hooks, no wrapper; in the mode in which they came."""
    students = [net(1), net(2).eval()]
    names = [list(student.state_dict()) for student in students]
    fit_mutually(students, data, epochs=1)
    assert [list(student.state_dict()) for student in students] == names
    assert [student.training for student in students] == [True, False]
    assert not any(part._forward_hooks for student in students for part in student.modules())


def test_a_divergence_names_the_student(net, data):
    """The one whose weights are far too large."""
    wild = net(2)
    with torch.no_grad():
        wild[-1].weight.fill_(1e150)
    with pytest.raises((DivergenceError, ConfigurationError)) as caught:
        fit_mutually(
            [net(1), wild],
            data,
            epochs=3,
            optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e200),
        )
    assert "finite" in str(caught.value)


def test_what_is_refused(net, data):
    """One student, the same one twice, and a loss that looks at layers."""
    one = net(1)
    with pytest.raises(ConfigurationError, match="two or more students"):
        fit_mutually([one], data, epochs=1)
    with pytest.raises(ConfigurationError, match="got 2, of which 1 differ"):
        fit_mutually([one, one], data, epochs=1)
    with pytest.raises(ConfigurationError, match=r"must be torch\.nn\.Modules, got str"):
        fit_mutually([one, "other"], data, epochs=1)
    with pytest.raises(ConfigurationError, match="FitNet looks at layers"):
        fit_mutually([one, net(2)], data, epochs=1, loss=losses.FitNet(layers={"0": "0"}))
    assert math.isfinite(fit_mutually([one, net(2)], data, epochs=1)["loss"][0])
