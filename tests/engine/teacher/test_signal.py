"""Tests of the teacher's answers: the right row each time, and a teacher given back as it came."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from data_sets import Items
from distillkit import Distiller, losses, transfer_sets
from distillkit.errors import ConfigurationError

CASES = 50


class _Asked(losses.Loss):
    """Checks every row of the teacher against the student's view of it: both are the same net."""

    kind: Literal["asked"] = "asked"

    def __call__(self, *, student, teacher, labels):
        torch.testing.assert_close(teacher.logits, student.logits.detach(), atol=1e-5, rtol=0)
        return 0 * student.logits.sum()


def still(parameters):
    """An optimiser that moves nothing."""
    return torch.optim.SGD(parameters, lr=0.0)


SETS = {
    "full": transfer_sets.Full(),
    "omitted": transfer_sets.OmitClasses(classes=[1]),
    "only": transfer_sets.OnlyClasses(classes=[0, 2]),
    "fraction": transfer_sets.Fraction(fraction=0.3),
    "unlabelled": transfer_sets.Unlabelled(),
    "jittered": transfer_sets.Jitter(pixels=1),
    "chain": transfer_sets.Chain(
        parts=[transfer_sets.OmitClasses(classes=[3]), transfer_sets.Fraction(fraction=0.7)]
    ),
    "jittered chain": transfer_sets.Chain(
        parts=[transfer_sets.OmitClasses(classes=[3]), transfer_sets.Jitter(pixels=1)]
    ),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: (x, y),
        lambda x, y: DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True),
        lambda x, y: DataLoader(TensorDataset(x, y), batch_size=8),
        lambda x, y: [(x[i], y[i]) for i in range(CASES)],
    ],
    ids=["tensors", "shuffling loader", "loader", "data set"],
)
def test_the_teacher_answers_for_the_view_that_the_student_gets(net, images, name, form):
    """Teacher and student are one net, so each row of the one must be the row of the other."""
    shape = nn.Flatten()
    teacher = nn.Sequential(shape, net(1))
    data = form(*images)
    if isinstance(data, list):
        data = Items(data)
    for mode in ("auto", "off"):
        Distiller(
            teacher=teacher,
            student=copy.deepcopy(teacher),
            loss=_Asked(),
            transfer_set=SETS[name],
            optimizer=still,
            precision="fp32",
            teacher_cache=mode,
        ).fit(data, epochs=2)


def test_a_stream_is_jittered_anew_in_each_batch(net, images):
    """Examples of a stream are counted on: the second batch does not repeat the shifts of the first."""
    x = torch.ones(1, 1, 2, 3).repeat(40, 1, 1, 1) * torch.arange(6.0).view(1, 1, 2, 3)
    seen = []

    class Look(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Flatten(), net(1))

        def forward(self, x):
            seen.append(x.clone())
            return self.inner(x)

    settings = {
        "student": nn.Sequential(nn.Flatten(), net(2)),
        "loss": losses.SoftTargets(temperature=2),
        "transfer_set": transfer_sets.Jitter(pixels=1),
    }
    Distiller(teacher=Look(), **settings).fit([x[:20], x[20:]], epochs=1)
    whole = torch.cat(seen)
    assert not torch.equal(whole[:20], whole[20:])
    seen.clear()
    Distiller(teacher=Look(), **settings).fit([x], epochs=1)
    assert torch.equal(whole, torch.cat(seen))


@pytest.mark.parametrize(
    ("chosen", "cases"), [(transfer_sets.Full(), CASES), (transfer_sets.OmitClasses(classes=[1]), None)]
)
@pytest.mark.parametrize("batch_size", [3, 16])
def test_a_cached_teacher_is_asked_once(counting, net, data, chosen, cases, batch_size):
    """It is asked for the transfer set and eight rows that are checked, whatever the epochs and batches."""
    cases = cases or int((data[1] != 1).sum())
    distiller = Distiller(
        teacher=counting, student=net(2), loss=losses.SoftTargets(temperature=2), transfer_set=chosen
    )
    distiller.fit(data, epochs=4, batch_size=batch_size)
    assert counting.rows == cases + 8


def test_a_live_teacher_is_asked_in_every_step(counting, net, data):
    """With the cache off, each epoch asks for each row."""
    distiller = Distiller(
        teacher=counting, student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache="off"
    )
    distiller.fit(data, epochs=3)
    assert counting.rows == 3 * CASES


def test_a_cache_that_would_fill_the_memory_is_left_alone(counting, net, data, monkeypatch):
    """Where a teacher's answers are too many bytes, it answers live."""
    monkeypatch.setattr("distillkit.engine.teacher.policy.MOST_BYTES", CASES * 4 * 4 - 1)
    Distiller(teacher=counting, student=net(2), loss=losses.SoftTargets(temperature=2)).fit(data, epochs=2)
    assert counting.rows == 2 * CASES + 8


def test_a_cached_teacher_keeps_float64(net, data):
    """Rows are kept in the teacher's precision where that is better than float32."""
    x, y = data[0].double(), data[1]
    teacher = net(1).double()
    seen = []

    def loss(*, student, teacher, labels):
        seen.append(teacher.logits.dtype)
        return student.logits.sum()

    Distiller(teacher=teacher, student=net(2).double(), loss=loss, precision="fp32").fit((x, y), epochs=1)
    assert set(seen) == {torch.float64}


class _Noisy(nn.Module):
    """A teacher whose dropout is on in evaluation mode too."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return nn.functional.dropout(self.inner(x), 0.5, training=True)


def test_a_teacher_that_answers_by_chance_runs_live(net, data):
    """It is found out before anything is trained, and the caller's randomness stays where it was."""
    distiller = Distiller(teacher=_Noisy(net(1)), student=net(2), loss=losses.SoftTargets(temperature=2))
    before = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="runs live"):
        distiller.fit(data, epochs=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_data_set_that_changes_is_caught(net, data):
    """teacher_cache='on' vouches for a data set, and a few rows are read again all the same."""

    class Moving(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + torch.randn_like(x), y

    distiller = Distiller(
        teacher=net(1), student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache="on"
    )
    with pytest.warns(UserWarning, match="data that change"):
        distiller.fit(Moving(*data), epochs=1)


def test_a_view_that_lies_about_itself_is_caught(net, data):
    """A transfer set that calls its view the same, and changes it from epoch to epoch, is found out."""

    class Liar(transfer_sets.TransferSet):
        kind: Literal["liar"] = "liar"

        def select(self, size, labels):
            return torch.arange(size)

        def view(self, batch, *, epoch):
            return replace(batch, inputs=batch.inputs + epoch)

    distiller = Distiller(
        teacher=net(1), student=net(2), loss=losses.SoftTargets(temperature=2), transfer_set=Liar()
    )
    with pytest.warns(UserWarning, match="runs live"):
        distiller.fit(data, epochs=1)


def test_a_data_set_that_is_vouched_for_is_asked_once(counting, net, data):
    """With teacher_cache='on' a data set's answers are kept, rightly."""
    counted = copy.deepcopy(counting)
    settings = {"student": copy.deepcopy(counting), "loss": _Asked(), "optimizer": still, "precision": "fp32"}
    dataset = Items([*zip(*data, strict=True)])
    Distiller(teacher=counted, teacher_cache="on", **settings).fit(dataset, epochs=3)
    assert counted.rows == CASES + 8


@pytest.mark.parametrize(
    ("chosen", "stream", "sentence"),
    [(transfer_sets.Jitter(pixels=1), False, "another view"), (transfer_sets.Full(), True, "have numbers")],
)
def test_a_cache_that_cannot_be_right_is_refused(net, images, chosen, stream, sentence):
    """teacher_cache='on' with a view that changes, or examples without numbers."""
    distiller = Distiller(
        teacher=net(1),
        student=net(2),
        loss=losses.SoftTargets(temperature=2),
        transfer_set=chosen,
        teacher_cache="on",
    )
    with pytest.raises(ConfigurationError, match=sentence):
        distiller.fit([images] if stream else images, epochs=1)
