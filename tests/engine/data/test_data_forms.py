"""Tests of the forms in which data and outputs may come."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, SequentialSampler, TensorDataset

from data_sets import Pairs
from distillkit import Distiller, losses, transfer_sets
from distillkit.engine.data import data_forms
from distillkit.engine.data.sources import DatasetSource
from distillkit.errors import ConfigurationError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
CPU = torch.device("cpu")


class _Named(nn.Module):
    """A net whose input has a name."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class _Mappings(Pairs):
    """The same as mappings."""

    def __getitem__(self, index):
        return {"x": self.data[0][index], "labels": int(self.data[1][index])}


def train(net, form, *, loss=HINTON, batch_size=16, **settings):
    """The history of two epochs on data in some form."""
    distiller = Distiller(
        teacher=_Named(net(1)), student=_Named(net(2)), loss=loss, teacher_cache="off", **settings
    )
    return distiller.fit(form, epochs=2, batch_size=batch_size)


FORMS = {
    "mapping of tensors": lambda x, y: {"x": x, "labels": y},
    "mapping and labels": lambda x, y: ({"x": x}, y),
    "TensorDataset": TensorDataset,
    "pairs": lambda x, y: Pairs((x, y)),
    "mappings": lambda x, y: _Mappings((x, y)),
    "shuffled loader of tensors": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True),
    "shuffled loader of pairs": lambda x, y: DataLoader(Pairs((x, y)), batch_size=16, shuffle=True),
    "shuffled loader of mappings": lambda x, y: DataLoader(_Mappings((x, y)), batch_size=16, shuffle=True),
    "int32 labels": lambda x, y: (x, y.int()),
    "uint8 labels": lambda x, y: (x, y.to(torch.uint8)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(net, data, form):
    """Where our order is used, the history is that of plain tensors, to the bit."""
    batch_size = None if "loader" in form else 16
    history = train(net, FORMS[form](*data), batch_size=batch_size)
    pd.testing.assert_frame_equal(history, train(net, data), check_exact=True)


def test_a_loader_that_does_not_shuffle_keeps_its_order(net, data):
    """The loader's order, a list of its batches, and a loader with a sampler of that order are one."""
    loader = DataLoader(TensorDataset(*data), batch_size=16)

    class InOrder(SequentialSampler):
        pass

    class Again:
        def __iter__(self):
            return iter(loader)

    forms = [
        loader,
        DataLoader(Pairs(data), batch_size=16),
        DataLoader(Pairs(data), batch_size=16, sampler=InOrder(data[0])),
        [*loader],
        Again(),
    ]
    first, *others = [train(net, form, batch_size=None) for form in forms]
    for other in others:
        pd.testing.assert_frame_equal(first, other, check_exact=True)
    assert first["loss"].tolist() != train(net, data)["loss"].tolist()


def test_one_seed_gives_one_history_through_a_shuffling_stream(net, data):
    """A loader that is taken as it comes shuffles by the Distiller's seed."""
    loader = DataLoader(TensorDataset(*data), batch_size=16, shuffle=True, drop_last=True)
    torch.manual_seed(1)
    first = train(net, loader, batch_size=None)
    torch.manual_seed(2)
    pd.testing.assert_frame_equal(first, train(net, loader, batch_size=None), check_exact=True)


def test_inputs_alone_are_enough_for_soft_targets(net, data):
    """x, (x,) and (x, None) train like (x, y) under a loss without labels."""
    soft = losses.SoftTargets(temperature=4)
    expected = train(net, data, loss=soft)
    for form in (data[0], (data[0],), (data[0], None), TensorDataset(data[0])):
        pd.testing.assert_frame_equal(train(net, form, loss=soft), expected, check_exact=True)


def test_labels_that_are_withheld_are_asked_for(net, data):
    """A loss that needs labels says so where the transfer set has none."""
    with pytest.raises(ConfigurationError, match="needs labels"):
        train(net, data, transfer_set=transfer_sets.Unlabelled())


class _Wrapped(nn.Module):
    """A net that gives its logits in some form."""

    def __init__(self, inner, form):
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, x):
        return self.form(self.inner(x))


@pytest.mark.parametrize(
    "form",
    [
        lambda z: (z, "more"),
        lambda z: [z],
        lambda z: SimpleNamespace(logits=z),
        lambda z: {"logits": z, "loss": None},
    ],
)
def test_logits_are_found_in_every_form_of_output(net, data, form):
    """A tuple, a list, an object with .logits and a mapping train like a tensor."""
    plain = Distiller(teacher=net(1), student=net(2), loss=HINTON)
    wrapped = Distiller(teacher=_Wrapped(net(1), form), student=_Wrapped(net(2), form), loss=HINTON)
    first, other = (each.fit(data, epochs=1, evaluate_on=data) for each in (plain, wrapped))
    pd.testing.assert_frame_equal(first, other, check_exact=True)


def test_output_without_logits_is_refused(net, data):
    """The sentence names the side and what came."""
    with pytest.raises(ConfigurationError, match="The student returned str"):
        Distiller(teacher=None, student=_Wrapped(net(2), str), loss=losses.HardLabels()).fit(data, epochs=1)


def test_integer_inputs_reach_an_embedding():
    """Inputs of whole numbers stay whole numbers."""

    def model(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.EmbeddingBag(9, 5), nn.Linear(5, 3))

    tokens, labels = torch.randint(9, (20, 7)), torch.randint(3, (20,))
    for form in ((tokens, labels), {"input": tokens, "labels": labels}):
        students = model(2) if isinstance(form, tuple) else _Wrap(model(2))
        teacher = model(1) if isinstance(form, tuple) else _Wrap(model(1))
        history = Distiller(teacher=teacher, student=students, loss=HINTON).fit(
            form, epochs=2, evaluate_on=form
        )
        assert history["loss"].notna().all()


class _Wrap(_Wrapped):
    """Takes its tokens by name, as models of text do."""

    def __init__(self, inner):
        super().__init__(inner, lambda z: z)

    def forward(self, *, input):
        return self.inner(input)


@pytest.mark.parametrize("form", [lambda x, y: (x, y), lambda x, y: x, lambda x, y: {"x": x, "labels": y}])
def test_tensors_too_large_for_the_device_are_read_example_by_example(net, data, monkeypatch, form):
    """The numbers stay what they are."""
    soft = losses.SoftTargets(temperature=2)
    expected = train(net, form(*data), loss=soft)
    monkeypatch.setattr(data_forms, "_fits", lambda whole, device: False)
    assert isinstance(data_forms.as_source(form(*data), CPU), DatasetSource)
    pd.testing.assert_frame_equal(train(net, form(*data), loss=soft), expected, check_exact=True)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (lambda x, y: (x.numpy(), y.numpy()), "ndarray, ndarray: convert its parts with torch.as_tensor"),
        (lambda x, y: (x, y.tolist()), "Tensor, list: convert its parts"),
        (lambda x, y: iter([(x, y)]), "can be read once: give a list"),
        (lambda x, y: pd.DataFrame(x.flatten(1).numpy()), r"frame\.to_numpy"),
        (lambda x, y: "mnist", "Data must be"),
        (lambda x, y: (x, y[:-1]), "equally many"),
        (lambda x, y: torch.tensor(1.0), "without dimensions"),
        (lambda x, y: {"labels": y}, "no input"),
        (lambda x, y: [(x, y, y, y)], "got tuple of 4: leave the rest out"),
        (lambda x, y: [(x, y, y)], r"floating-point numbers of shape \[batch\], got torch.int64 \[50\]"),
        (lambda x, y: (x, y, x), r"floating-point numbers of shape \[batch\], got torch.float32 \[50, 6\]"),
        (lambda x, y: [{"x": x, "labels": y, "example_weights": 2.0}], r"of shape \[batch\], got float"),
        (lambda x, y: [(x, y.tolist())], "labels of a batch must be a tensor"),
        (lambda x, y: list(zip(x, y.tolist(), strict=True)), r"single examples as DataLoader\(examples"),
        (lambda x, y: (x[:0], y[:0]), "no example"),
        (lambda x, y: [], "no batch in epoch 1"),
        (lambda x, y: DataLoader(TensorDataset(x, y), batch_size=64, drop_last=True), "no batch in epoch 1"),
    ],
)
def test_what_is_no_data_is_refused_in_one_sentence(net, data, form, sentence):
    """Each wrong form has its own sentence."""
    with pytest.raises(ConfigurationError, match=sentence):
        train(net, form(*data), batch_size=None)


@pytest.mark.parametrize(
    ("form", "size", "sentence"),
    [
        (lambda x, y: (x, y), 0, "at least 1"),
        (lambda x, y: (x, y), 2.5, "whole number"),
        (lambda x, y: [(x, y)], 8, "batches of their own"),
        (lambda x, y: DataLoader(TensorDataset(x, y), batch_size=4), 8, "has batches of 4"),
    ],
)
def test_a_batch_size_that_cannot_be_is_refused(net, data, form, size, sentence):
    """It must be a whole number of at least 1, and the loader's own where there is one."""
    with pytest.raises(ConfigurationError, match=sentence):
        train(net, form(*data), batch_size=size)


def test_a_batch_of_one_and_a_last_part_are_trained_on(net, data):
    """51 examples in batches of 50 are two steps an epoch; so are two examples one by one."""
    x, y = torch.cat([data[0], data[0][:1]]), torch.cat([data[1], data[1][:1]])
    assert train(net, (x, y), batch_size=50)["loss"].notna().all()
    assert train(net, (x[:2], y[:2]), batch_size=1)["loss"].notna().all()


def test_batch_normalisation_with_a_batch_of_one_says_what_to_do(net, data):
    """A lone last example cannot be normalised: the sentence names the ways out."""
    distiller = Distiller(teacher=net(1), student=net(2, norm=True), loss=HINTON)
    with pytest.raises(ConfigurationError, match="another batch_size, or pass a DataLoader with drop_last"):
        distiller.fit(data, epochs=1, batch_size=49)


def test_data_are_not_changed(net, data):
    """Training leaves the data as they were."""
    before = copy.deepcopy(data)
    train(net, data)
    assert all(torch.equal(left, right) for left, right in zip(before, data, strict=True))
