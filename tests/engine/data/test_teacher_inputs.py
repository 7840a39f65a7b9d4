"""A teacher with inputs of its own: in every form of data it sees them, and the student sees the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from distillkit import Distiller, fit_together
from distillkit.engine.data import data_forms
from distillkit.engine.data.batch import as_batch
from distillkit.errors import ConfigurationError
from distillkit.losses import SoftTargets
from distillkit.transfer_sets import Chain, Jitter, OmitClasses, TransferSet
from distillkit.typing import Batch

CASES, LARGE = 50, 9
LOSS = SoftTargets(temperature=2)


class _Large(nn.Module):
    """A teacher of larger inputs, which notes the rows that it sees."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(3)
            self.layer = nn.Linear(LARGE, 4)
        self.seen: list[Tensor] = []

    def forward(self, large: Tensor) -> Tensor:
        self.seen.append(large.clone())
        return self.layer(large)


class _Rows(Dataset):
    """A data set of mappings, one an example."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.whole = whole

    def __len__(self) -> int:
        return CASES

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {name: part[number] for name, part in self.whole.items()}


class _Doubled(TransferSet):
    """A view that changes the inputs of one side or of both."""

    kind: Literal["doubled_for_the_test"] = "doubled_for_the_test"
    both: bool = False

    def view(self, batch: Batch, *, epoch: int) -> Batch:
        own = 2 * batch.teacher_inputs if self.both else batch.teacher_inputs
        return Batch(2 * batch.inputs["input"], batch.labels, batch.indices, batch.weights, own)


class _Swapped(TransferSet):
    """A view that changes labels alone."""

    kind: Literal["swapped_for_the_test"] = "swapped_for_the_test"

    def view(self, batch: Batch, *, epoch: int) -> Batch:
        return Batch(batch.inputs, 3 - batch.labels, batch.indices, batch.weights, batch.teacher_inputs)


@pytest.fixture
def large() -> Tensor:
    """The teacher's inputs of the fifty examples."""
    return torch.randn(CASES, LARGE, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def whole(data: tuple[Tensor, Tensor], large: Tensor) -> dict[str, Any]:
    """All of it by name; `input` is the argument of `nn.Sequential`."""
    return {"input": data[0], "labels": data[1], "teacher_inputs": large}


def _batches(whole: dict[str, Any]) -> list[dict[str, Any]]:
    parts = torch.arange(CASES).split(8)
    return [{name: tensor[part] for name, tensor in whole.items()} for part in parts]


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tensors": lambda whole: whole,
    "a data set": _Rows,
    "a loader": lambda whole: DataLoader(_Rows(whole), batch_size=8),
    "a loader that drops the last": lambda whole: DataLoader(_Rows(whole), batch_size=10, drop_last=True),
    "batches": _batches,
    "batches as objects": lambda whole: [
        Batch(one["input"], one["labels"], teacher_inputs=one["teacher_inputs"]) for one in _batches(whole)
    ],
    "by name": lambda whole: {**whole, "teacher_inputs": {"large": whole["teacher_inputs"]}},
}


class _Checked(nn.Module):
    """A loss that compares the teacher's rows with those of the same examples."""

    def __init__(self, data: Tensor, large: Tensor, layer: nn.Linear, student: nn.Module) -> None:
        super().__init__()
        self.expected = layer(large).detach()
        self.data, self.student = data, student

    def forward(self, *, student: Any, teacher: Any, labels: Any) -> Tensor:
        with torch.no_grad():
            every = self.student(self.data)
        places = (student.logits[:, None] - every).square().sum(-1).argmin(1)
        assert torch.allclose(teacher.logits, self.expected[places], atol=1e-5)
        return 0 * student.logits.sum()


@pytest.mark.parametrize("cache", ["auto", "off"])
@pytest.mark.parametrize("form", FORMS)
def test_the_teacher_sees_its_own_inputs_of_the_same_examples(net, data, large, whole, form, cache) -> None:
    """Row by row, kept or live, in shuffled orders too."""
    teacher, student = _Large(), net(2)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=_Checked(data[0], large, teacher.layer, student),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        precision="fp32",
        teacher_cache=cache,
    )
    size = {} if form.startswith(("a loader", "batches")) else {"batch_size": 8}
    distiller.fit(FORMS[form](whole), epochs=2, **size)
    assert all(rows.shape[1] == LARGE for rows in teacher.seen)


def test_training_and_evaluation_are_those_of_a_teacher_that_computes_its_inputs(net, data) -> None:
    """A teacher that makes the larger inputs itself gives the same history, to the bit."""
    spread = torch.randn(data[0].shape[1], LARGE, generator=torch.Generator().manual_seed(6))

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = _Large()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x @ spread)

    given = {"input": data[0], "labels": data[1], "teacher_inputs": data[0] @ spread}
    histories, evaluations = [], []
    for teacher, form in ((Both(), data), (_Large(), given)):
        distiller = Distiller(
            teacher=teacher, student=net(2), loss=LOSS, precision="fp32", teacher_cache="off"
        )
        histories.append(distiller.fit(form, epochs=3, batch_size=16, evaluate_on=form))
        evaluations.append(distiller.evaluate(form).numbers())
        assert torch.equal(distiller.logits(form), distiller.logits(form))
    pd.testing.assert_frame_equal(*histories, rtol=1e-6)
    assert evaluations[0]["teacher_agreement"] == evaluations[1]["teacher_agreement"]


def test_a_step_of_a_users_own_loop_takes_them(net, whole) -> None:
    """As `fit` does, from a mapping or from a Batch."""
    teacher = _Large()
    distiller = Distiller(teacher=teacher, student=net(2), loss=LOSS)
    distiller.step(whole)
    distiller.step(Batch(whole["input"], teacher_inputs=whole["teacher_inputs"]))
    assert [rows.shape for rows in teacher.seen] == [(CASES, LARGE)] * 2


def test_tensors_too_large_for_the_device_are_read_with_them(net, large, whole, monkeypatch) -> None:
    """Through a loader of ours, example by example."""
    monkeypatch.setattr(data_forms, "_fits", lambda whole, device: False)
    teacher = _Large()
    distiller = Distiller(teacher=teacher, student=net(2), loss=LOSS, precision="fp32")
    distiller.fit(whole, epochs=1, batch_size=CASES)
    assert sorted(teacher.seen[0].tolist()) == sorted(large.tolist())


def test_as_many_as_examples() -> None:
    """Others are refused before anything is trained."""
    distiller = Distiller(teacher=_Large(), student=nn.Linear(6, 4), loss=LOSS)
    data = {"input": torch.zeros(4, 6), "teacher_inputs": torch.zeros(3, LARGE)}
    with pytest.raises(ConfigurationError, match=r"must be equally many, got \[3, 4\] examples"):
        distiller.fit(data, epochs=1)


def test_they_are_moved_and_are_no_inputs_of_the_student(whole) -> None:
    """A mapping's own key; without it, the teacher's inputs are the student's."""
    batch = as_batch(whole, torch.device("meta"))
    assert batch.teacher_inputs.device.type == "meta"
    assert set(batch.inputs) == {"input"}
    assert as_batch((whole["input"], whole["labels"])).teacher_inputs is None


@pytest.mark.parametrize(
    "chosen", [_Doubled(), Jitter(pixels=1), Chain(parts=[OmitClasses(classes=[1]), _Doubled()])]
)
def test_a_view_of_one_side_alone_is_refused(net, images, large, chosen) -> None:
    """Teacher and student would not see the same view."""
    by_name = {"input": images[0], "labels": images[1], "teacher_inputs": large}
    data = [Batch(*images, teacher_inputs=large)] if isinstance(chosen, Jitter) else by_name
    student = nn.Sequential(nn.Flatten(), net(2))
    distiller = Distiller(teacher=_Large(), student=student, loss=LOSS, transfer_set=chosen)
    with pytest.raises(ConfigurationError, match="changes the student's inputs, and the teacher has its own"):
        distiller.fit(data, epochs=1)


@pytest.mark.parametrize("chosen", [_Doubled(both=True), _Swapped(), OmitClasses(classes=[1])])
def test_a_view_of_both_sides_or_of_labels_is_not(net, whole, large, chosen) -> None:
    """Nor is a choice of examples."""
    teacher = _Large()
    Distiller(teacher=teacher, student=net(2), loss=LOSS, transfer_set=chosen).fit(whole, epochs=1)
    factor = 2 if isinstance(chosen, _Doubled) else 1
    rows = torch.cat(teacher.seen)
    assert bool((rows[:, None] == factor * large).all(-1).any(-1).all())


def test_a_stack_trains_one_by_one(net, whole, caplog) -> None:
    """With the reason in the log, and the same numbers."""

    def distillers() -> list[Distiller]:
        return [Distiller(teacher=_Large(), student=net(seed), loss=LOSS, seed=seed) for seed in (2, 3)]

    with caplog.at_level(logging.INFO, logger="distillkit"):
        together = fit_together(distillers(), whole, epochs=2, stack_size=2)
    assert "The students train one by one: the teacher has inputs of its own." in caplog.text
    for one, history in zip(distillers(), together, strict=True):
        pd.testing.assert_frame_equal(one.fit(whole, epochs=2), history, check_exact=True)
