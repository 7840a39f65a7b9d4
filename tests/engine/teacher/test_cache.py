"""Tests of `TeacherCache`: kept answers are found again, and never wrong."""

from __future__ import annotations

import copy
import gc
from dataclasses import replace
from typing import Literal

import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from distillkit import Distiller, Ensemble, TeacherCache, losses, transfer_sets
from distillkit.errors import ConfigurationError

CASES, CHECKED = 50, 8


@pytest.fixture
def rows(net, counting):
    """Trains a student with a cache, and tells how many rows the teacher was asked for."""

    def ask(cache, data, *, teacher=counting, **settings):
        before = counting.rows
        distiller = Distiller(
            teacher=teacher,
            student=net(2),
            loss=losses.SoftTargets(temperature=2),
            teacher_cache=cache,
            **{"precision": "fp32", **settings},
        )
        distiller.fit(data, epochs=2)
        return counting.rows - before

    return ask


def test_the_second_student_asks_only_a_few_rows(rows, data):
    """Answers are kept from one Distiller to the next; eight are asked again before they are trusted."""
    cache = TeacherCache()
    assert rows(cache, data) == CASES + CHECKED
    assert rows(cache, data) == CHECKED
    assert rows(cache, (data[0].clone(), data[1])) == CHECKED
    assert repr(cache) == "TeacherCache(1 kept)"


def test_evaluation_is_kept_too(counting, net, data):
    """The teacher's answers to the evaluation set are found again by fit and by evaluate."""
    cache, test = TeacherCache(), (data[0] + 1, data[1])
    settings = {"teacher": counting, "loss": losses.SoftTargets(temperature=2), "teacher_cache": cache}
    Distiller(student=net(2), **settings).fit(data, epochs=2, evaluate_on=test)
    counting.rows = 0
    distiller = Distiller(student=net(3), **settings)
    distiller.fit(data, epochs=2, evaluate_on=test)
    distiller.evaluate(test)
    assert counting.rows == 3 * CHECKED


def test_the_history_is_that_of_auto(net, data):
    """With a cache, filled or not, student and metrics are what they are without one."""
    cache = TeacherCache()
    histories = []
    for mode in ("auto", cache, cache):
        distiller = Distiller(
            teacher=net(1), student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache=mode
        )
        histories.append(distiller.fit(data, epochs=2, evaluate_on=data))
    for other in histories[1:]:
        pd.testing.assert_frame_equal(histories[0], other, check_exact=True)


def in_place(teacher):
    """A change that torch counts."""
    with torch.no_grad():
        teacher.layer.weight[0, 0] += 1e-3


def through_data(teacher):
    """A change that torch does not count."""
    teacher.layer.weight.data[0, 0] += 1e-3


def by_loading(teacher):
    """Other weights of the same names."""
    teacher.load_state_dict({name: value + 1 for name, value in teacher.state_dict().items()})


@pytest.mark.parametrize("change", [in_place, through_data, by_loading])
def test_changed_weights_miss(rows, counting, data, change):
    """However a teacher's weights have changed, it is asked again, and the old answers are forgotten."""
    cache = TeacherCache()
    rows(cache, data)
    change(counting)
    assert rows(cache, data) == CASES + CHECKED
    assert repr(cache) == "TeacherCache(1 kept)"


def test_changed_buffers_miss(net, data):
    """The statistics of batch normalisation are weights too."""
    teacher, cache = net(1, norm=True), TeacherCache()
    settings = {"teacher": teacher, "loss": losses.SoftTargets(temperature=2), "teacher_cache": cache}
    Distiller(student=net(2), **settings).fit(data, epochs=1)
    teacher(data[0])
    cached = Distiller(student=net(2), **settings).fit(data, epochs=1)
    fresh = Distiller(student=net(2), **{**settings, "teacher_cache": "auto"}).fit(data, epochs=1)
    pd.testing.assert_frame_equal(cached, fresh, check_exact=True)


def test_changed_data_miss(rows, data):
    """One number of one example, changed in place or past torch's count, is other data."""
    x, y = data
    cache = TeacherCache()
    rows(cache, data)
    x[3, 1] += 1e-3
    assert rows(cache, data) == CASES + CHECKED
    x.numpy()[4, 1] += 1e-3
    assert rows(cache, data) == CASES + CHECKED
    assert rows(cache, (x.flip(0), y)) == CASES + CHECKED
    assert rows(cache, data) == CHECKED


def test_another_teacher_misses(rows, counting, data):
    """Equal weights in another object are another teacher: its code may differ."""
    cache, other = TeacherCache(), copy.deepcopy(counting)
    rows(cache, data)
    rows(cache, data, teacher=other)
    assert other.rows == CASES + CHECKED


def test_a_setting_of_the_teacher_that_is_no_weight_is_noticed(net, data):
    """An Ensemble that averages otherwise than before is asked again."""
    teacher, cache = Ensemble([net(1), net(4)], average="logits"), TeacherCache()
    settings = {"teacher": teacher, "loss": losses.SoftTargets(temperature=2)}
    Distiller(student=net(2), teacher_cache=cache, **settings).fit(data, epochs=1)
    teacher.average = "probabilities"
    cached = Distiller(student=net(2), teacher_cache=cache, **settings).fit(data, epochs=1)
    fresh = Distiller(student=net(2), teacher_cache="auto", **settings).fit(data, epochs=1)
    pd.testing.assert_frame_equal(cached, fresh, check_exact=True)


class _Scaled(transfer_sets.TransferSet):
    """Every example times a factor."""

    kind: Literal["scaled_view"] = "scaled_view"
    factor: float

    def select(self, size, labels):
        return torch.arange(size)

    def view(self, batch, *, epoch):
        return replace(batch, inputs=self.factor * batch.inputs)


def test_another_selection_or_view_misses(rows, data):
    """Each choice of examples and each view has answers of its own."""
    cache, few = TeacherCache(), int((data[1] != 1).sum())
    rows(cache, data)
    assert rows(cache, data, transfer_set=transfer_sets.OmitClasses(classes=[1])) == few + CHECKED
    assert rows(cache, data, transfer_set=_Scaled(factor=2)) == CASES + CHECKED
    assert rows(cache, data, transfer_set=_Scaled(factor=3)) == CASES + CHECKED
    assert rows(cache, data, transfer_set=_Scaled(factor=2)) == CHECKED
    assert rows(cache, data, transfer_set=transfer_sets.OmitClasses(classes=[1])) == CHECKED


def test_another_choice_of_as_many_examples_misses(rows, data):
    """With other labels the same set chooses others, also where the rows asked again are the same."""
    cache, chosen = TeacherCache(), transfer_sets.OmitClasses(classes=[1])
    for left_out in (3, 4):
        labels = torch.zeros(CASES, dtype=torch.int64)
        labels[left_out] = 1
        assert rows(cache, (data[0], labels), transfer_set=chosen) == CASES - 1 + CHECKED


def test_another_precision_misses(rows, data):
    """Answers in bfloat16 are not those in float32."""
    cache = TeacherCache()
    rows(cache, data)
    assert rows(cache, data, precision="bf16") == CASES + CHECKED


def test_inputs_by_name_are_told_apart(net):
    """Two inputs that change places are other data."""

    class Difference(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 4)
            self.rows = 0

        def forward(self, a, b):
            self.rows += len(a)
            return self.layer(a - b)

    a, b = torch.randn(20, 3), torch.randn(20, 3)
    teacher, cache = Difference(), TeacherCache()
    for inputs in ({"a": a, "b": b}, {"a": b, "b": a}):
        teacher.rows = 0
        Distiller(
            teacher=teacher, student=Difference(), loss=losses.SoftTargets(temperature=2), teacher_cache=cache
        ).fit(inputs, epochs=1)
        assert teacher.rows == 20 + CHECKED


def test_what_cannot_be_kept_runs_live(rows, data, images):
    """A data set that nobody vouched for and a view that changes are not kept, as with 'auto'."""

    class Read(TensorDataset):
        pass

    cache = TeacherCache()
    assert rows(cache, Read(*data)) == 2 * CASES
    assert repr(cache) == "TeacherCache(0 kept)"


def test_a_teacher_that_answers_by_chance_is_not_kept(net, data):
    """The warning of 'auto' comes, and nothing is kept."""

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(1)

        def forward(self, x):
            return nn.functional.dropout(self.inner(x), 0.5, training=True)

    cache = TeacherCache()
    distiller = Distiller(
        teacher=Noisy(), student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache=cache
    )
    with pytest.warns(UserWarning, match="runs live"):
        distiller.fit(data, epochs=1)
    assert repr(cache) == "TeacherCache(0 kept)"


def test_answers_are_forgotten_with_the_teacher(net, data):
    """A cache keeps no teacher alive, and forgets on request."""
    cache = TeacherCache()
    for clear in (gc.collect, cache.clear):
        Distiller(
            teacher=net(1), student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache=cache
        ).fit(data, epochs=1)
        clear()
        assert repr(cache) == "TeacherCache(0 kept)"


def test_no_such_cache_is_refused(net):
    """teacher_cache takes three words or a TeacherCache."""
    with pytest.raises(ConfigurationError, match="auto, on, off"):
        Distiller(teacher=net(1), student=net(2), loss=losses.SoftTargets(temperature=2), teacher_cache={})


def test_other_inputs_of_the_teacher_are_other_answers(net, data):
    """The student's inputs are the same; kept outputs are for the same inputs of the teacher alone."""
    cache, teacher = TeacherCache(), net(1)
    settings = {"teacher": teacher, "loss": losses.SoftTargets(temperature=2), "precision": "fp32"}
    found = []
    for factor in (1, 2, 1):
        given = {"input": data[0], "teacher_inputs": factor * data[0]}
        shared = Distiller(student=net(2), teacher_cache=cache, **settings).fit(given, epochs=1)
        fresh = Distiller(student=net(2), teacher_cache="off", **settings).fit(given, epochs=1)
        assert shared["loss"].tolist() == pytest.approx(fresh["loss"].tolist(), rel=1e-5)
        found.append(shared["loss"].tolist())
    assert found[0] == found[2] != found[1]
    assert repr(cache) == "TeacherCache(2 kept)"
