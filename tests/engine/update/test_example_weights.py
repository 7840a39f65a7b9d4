"""A weight on each example: against repeated examples and loops, in every form that data have."""

from __future__ import annotations

import logging
from typing import Literal

import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from distillkit import Distiller, fit_together, losses, transfer_sets
from distillkit.engine.data import data_forms
from distillkit.engine.update.example_weights import WeightedExamples
from distillkit.errors import ConfigurationError
from distillkit.schedules import Linear
from distillkit.testing.case import case_for, made, said, taught
from distillkit.testing.case import logits as two_sides
from distillkit.typing import Outputs
from loss_examples import EVERY, VARIANTS

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


MEANS = [one for one in (*EVERY, *VARIANTS) if not one.needs().whole_batch]


@pytest.fixture
def weighted(data):
    """The fifty examples with weights of 0 to 3."""
    generator = torch.Generator().manual_seed(2)
    return (*data, torch.randint(4, (len(data[0]),), generator=generator).float())


def trained(net, form, *, loss=HINTON, epochs=2, batch_size=None, **settings):
    """The history of a training on data in some form, and the student."""
    settings = {"precision": "fp32", **settings}
    distiller = Distiller(teacher=net(1), student=net(2), loss=loss, **settings)
    return distiller.fit(form, epochs=epochs, batch_size=batch_size), distiller


@pytest.mark.parametrize(
    "loss",
    [
        HINTON,
        losses.DKD(),
        losses.CTKD(reversal=0.5),
        losses.WSLD(),
        losses.FitNet(layers={"0": "0"}),
        losses.WeightedSum(terms={"fitnet": losses.FitNet(layers={"0": "0"}), "hard": losses.HardLabels()}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_whole_weights_are_examples_more_than_once(net, weighted, loss, optimizer):
    """Weights and repeated examples give one student, through whole updates, in float64."""
    inputs, labels, weights = weighted
    counts = weights.long()
    repeated = inputs.double().repeat_interleave(counts, dim=0), labels.repeat_interleave(counts)
    assert len(repeated[0]) > 50
    sides = []
    for form in ((inputs.double(), labels, weights), repeated):
        distiller = Distiller(
            teacher=net(1, hidden=12).double(),
            student=net(2).double(),
            loss=loss,
            optimizer=lambda parameters: optimizer(parameters, lr=0.1),
            clip_norm=0.5,
            precision="fp32",
        )
        history = distiller.fit(form, epochs=3, batch_size=1000)
        sides.append((distiller.student.state_dict(), history))
    torch.testing.assert_close(sides[0][0], sides[1][0], rtol=1e-10, atol=1e-12)
    pd.testing.assert_frame_equal(sides[0][1], sides[1][1], rtol=1e-12)


def by_loop(loss, case, adapters, weights):
    """Σ w · l / Σ w, example by example, each a batch of one."""
    total = 0.0
    for number, weight in enumerate(weights):
        one = case.rows([number])
        student, teacher = said(loss, one, adapters), taught(loss, one)
        total = total + weight * loss(student=student, teacher=teacher, labels=one.labels)
    return total / weights.sum()


@pytest.mark.parametrize("loss", MEANS, ids=repr)
def test_every_mean_over_examples_can_be_weighted(loss):
    """All at once, with the value and the gradients of a slow loop."""
    weights = torch.tensor([0.0, 1.0, 0.25, 3.0, 2.0, 0.5], dtype=torch.float64)
    case = case_for(loss)
    adapters = made(loss, case)
    moving = case.moving()
    student, teacher, labels = said(loss, moving, adapters), taught(loss, moving), moving.labels
    leaves = moving.leaves()
    loss = loss.at(0.5)
    leaves += [] if adapters is None else list(adapters.parameters())
    weighting = WeightedExamples()
    parts = weighting(loss, student=student, teacher=teacher, labels=labels, weights=weights)
    assert weighting._mapped
    assert parts.keys() == loss.contributions(student=student, teacher=teacher, labels=labels).keys()
    found, expected = sum(parts.values()), by_loop(loss, moving, adapters, weights)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad(one, leaves, allow_unused=True) for one in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


def test_weights_by_class_are_those_of_torch():
    """Cross-entropy with a weight for each class, which torch divides by Σ w as well."""
    case = two_sides()
    logits, labels = case.student.logits, case.labels
    of_classes = torch.tensor([0.5, 1.0, 0.0, 3.0, 2.0], dtype=torch.float64)
    parts = WeightedExamples()(
        losses.HardLabels(),
        student=Outputs(logits.requires_grad_()),
        teacher=None,
        labels=labels,
        weights=of_classes[labels],
    )
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=of_classes)
    torch.testing.assert_close(parts["hard_labels"], expected)


@pytest.mark.parametrize(
    "loss", [losses.DIST(), losses.WeightedSum(terms={"dist": losses.DIST(), "hard": losses.HardLabels()})]
)
def test_a_loss_that_relates_examples_is_refused(net, weighted, loss):
    """No example has a loss of its own there; the sentence says so before anything is trained."""
    student = net(2)
    before = {name: one.clone() for name, one in student.state_dict().items()}
    distiller = Distiller(teacher=net(1), student=student, loss=loss)
    with pytest.raises(ConfigurationError, match="or a term of it, relates the examples of a batch"):
        distiller.fit(weighted, epochs=1)
    assert all(torch.equal(one, before[name]) for name, one in student.state_dict().items())


def test_only_how_weights_stand_to_each_other_counts(net, data):
    """Equal weights are none, and a factor changes nothing."""
    plain, _ = trained(net, data)
    for factor in (1.0, 1e-3, 40.0):
        equal, _ = trained(net, (*data, torch.full((50,), factor)))
        pd.testing.assert_frame_equal(equal, plain, rtol=1e-5)
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(50, generator=generator)
    one, _ = trained(net, (*data, weights))
    other, _ = trained(net, (*data, 64 * weights))
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)
    assert (one["loss"] - plain["loss"]).abs().max() > 1e-3


def test_examples_of_weight_0_are_left_out(net, data):
    """In each batch; a batch of none but these has the loss 0 and no gradient."""
    ten = torch.arange(50) < 10
    weighted, _ = trained(net, (*data, ten.float()), batch_size=50, epochs=3)
    few, _ = trained(net, (data[0][:10], data[1][:10]), batch_size=50, epochs=3)
    pd.testing.assert_frame_equal(weighted, few, rtol=1e-5)
    distiller = Distiller(teacher=net(1), student=net(2), loss=HINTON, clip_norm=1.0)
    parts = distiller.step((*data, torch.zeros(50)))
    assert sum(float(one) for one in parts.values()) == 0
    assert all(not bool(parameter.grad.any()) for parameter in distiller.student.parameters())


class _Triples(Dataset):
    """A map-style data set of (input, int, float) triples."""

    def __init__(self, weighted):
        self.weighted = weighted

    def __len__(self):
        return len(self.weighted[0])

    def __getitem__(self, index):
        inputs, labels, weights = self.weighted
        return inputs[index], int(labels[index]), float(weights[index])


FORMS = {
    "TensorDataset": TensorDataset,
    "triples": lambda *weighted: _Triples(weighted),
    "loader of triples": lambda *weighted: DataLoader(_Triples(weighted), batch_size=16, shuffle=True),
    "loader of tensors": lambda *weighted: DataLoader(TensorDataset(*weighted), batch_size=16, shuffle=True),
    "float64": lambda x, y, weights: (x, y, weights.double()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(net, weighted, form):
    """Weights go with their examples in any order."""
    plain, _ = trained(net, weighted, batch_size=16)
    found, _ = trained(net, FORMS[form](*weighted), batch_size=None if "loader" in form else 16)
    pd.testing.assert_frame_equal(found, plain, rtol=1e-5)


@pytest.mark.parametrize("labelled", [True, False])
def test_tensors_too_large_for_the_device_keep_their_weights(net, weighted, monkeypatch, labelled):
    """Read example by example, with labels or without."""
    inputs, labels, weights = weighted
    form = (inputs, labels if labelled else None, weights)
    loss = losses.SoftTargets(temperature=2)
    expected, _ = trained(net, form, loss=loss, batch_size=16, teacher_cache="off")
    monkeypatch.setattr(data_forms, "_fits", lambda whole, device: False)
    found, _ = trained(net, form, loss=loss, batch_size=16, teacher_cache="off")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_mapping_and_a_stream_have_weights_too(weighted):
    """By the name `example_weights`, which the model is not given; as the third of each batch."""

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(6, 4)
            torch.nn.init.ones_(self.inner.weight)
            torch.nn.init.zeros_(self.inner.bias)

        def forward(self, x):
            return self.inner(x)

    inputs, labels, weights = weighted
    named = {"x": inputs, "labels": labels, "example_weights": weights}
    history = [
        Distiller(teacher=None, student=Named(), loss=losses.HardLabels())
        .fit(form, epochs=2, batch_size=None if isinstance(form, list) else 50)["loss"]
        .tolist()
        for form in (weighted, named, [weighted], [list(weighted)], [named])
    ]
    assert all(one == pytest.approx(history[0], rel=1e-5) for one in history)


def test_weights_go_with_the_examples_that_a_transfer_set_chooses(net, weighted):
    """Whatever is left out, and where labels are withheld."""
    inputs, labels, weights = weighted
    kept = labels != 3
    chosen = transfer_sets.Chain(parts=[transfer_sets.OmitClasses(classes=[3]), transfer_sets.Unlabelled()])
    soft = losses.SoftTargets(temperature=2)
    found, _ = trained(net, weighted, loss=soft, transfer_set=chosen, batch_size=50)
    expected, _ = trained(net, (inputs[kept], None, weights[kept]), loss=soft, batch_size=50)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_metrics_count_every_case_once(net, weighted):
    """Weights of the data that are evaluated on change nothing."""
    _, distiller = trained(net, weighted)
    assert distiller.evaluate(weighted).numbers() == distiller.evaluate(weighted[:2]).numbers()


def test_a_layer_without_a_row_for_each_example_is_refused(net, weighted):
    """Of tokens first, batch second, say."""

    class TokensFirst(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.turned, self.last = torch.nn.Flatten(0, 1), torch.nn.Linear(6, 4)

        def forward(self, x):
            return self.last(self.turned(x.expand(2, *x.shape)).unflatten(0, (2, -1)).mean(dim=0))

    sides = [torch.nn.Sequential(torch.nn.Linear(6, 6), TokensFirst()) for _ in range(2)]
    loss = losses.FitNet(layers={"1.turned": "1.turned"})
    distiller = Distiller(teacher=sides[0], student=sides[1], loss=loss)
    with pytest.raises(ConfigurationError, match=r"'1.turned' gives \[100, 6\] for 50 examples"):
        distiller.step(weighted)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (lambda w: -w, "finite numbers ≥ 0, got some from -3.0 to"),
        (lambda w: w / 0, "finite numbers ≥ 0"),
        (lambda w: w * 0, "all 0, so nothing would be learnt"),
        (lambda w: w[:-1], "equally many"),
    ],
)
def test_what_are_no_weights_is_refused(net, weighted, weights, sentence):
    """Of tensors before the first step, and of a stream with its first batch."""
    form = (*weighted[:2], weights(weighted[2]))
    with pytest.raises(ConfigurationError, match=sentence):
        trained(net, form)
    if "all 0" not in sentence:
        sentence = sentence.replace("equally many", "got 49 for 50 examples")
        with pytest.raises(ConfigurationError, match=sentence):
            trained(net, [form])


def test_a_callable_is_held_to_be_a_mean(net, weighted):
    """It is asked example by example too; one that adds up where it should average is found out."""

    def mean(*, student, teacher, labels):
        return torch.nn.functional.cross_entropy(student.logits, labels)

    def total(*, student, teacher, labels):
        return torch.nn.functional.cross_entropy(student.logits, labels, reduction="sum")

    found, _ = trained(net, weighted, loss=mean)
    expected, _ = trained(net, weighted, loss=losses.HardLabels())
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)

    def each(*, student, teacher, labels):
        return torch.nn.functional.cross_entropy(student.logits, labels, reduction="none")

    with pytest.raises(ConfigurationError, match="the mean over the examples of a batch, and total is not"):
        trained(net, weighted, loss=total)
    with pytest.raises(ConfigurationError, match="A loss must return a scalar tensor, got a tensor"):
        trained(net, weighted, loss=each)


class Unmapped(losses.Loss):
    """Cross-entropy that torch cannot map, since it reads a number."""

    kind: Literal["unmapped_for_a_test"] = "unmapped_for_a_test"

    def __call__(self, *, student, teacher, labels):
        """The loss."""
        assert float(student.logits.detach().sum()) < 1e9
        return torch.nn.functional.cross_entropy(student.logits, labels)


def test_a_loss_that_cannot_be_mapped_is_asked_in_turn(net, weighted, caplog):
    """With the same numbers, and the log says why it is slow."""
    with caplog.at_level(logging.INFO, logger="distillkit"):
        found, _ = trained(net, weighted, loss=Unmapped())
    assert "The loss is computed example by example, which is slow" in caplog.text
    expected, _ = trained(net, weighted, loss=losses.HardLabels())
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_a_loss_that_is_mapped_wrongly_is_found_out(net, weighted, caplog):
    """What mapping gives is compared with what the loss says of the batch."""

    def moody(*, student, teacher, labels):
        mapped = torch._C._functorch.is_batchedtensor(student.logits)
        return torch.nn.functional.cross_entropy(student.logits, labels) * (2 if mapped else 1)

    with caplog.at_level(logging.INFO, logger="distillkit"):
        found, _ = trained(net, weighted, loss=moody)
    assert "which is slow: by vmap it gives other numbers" in caplog.text
    expected, _ = trained(net, weighted, loss=losses.HardLabels())
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_students_with_weighted_examples_train_one_by_one(net, weighted, caplog):
    """`fit_together` says so and gives the numbers of `fit`."""

    def made():
        return [Distiller(teacher=net(1), student=net(seed), loss=HINTON) for seed in (2, 3)]

    with caplog.at_level(logging.INFO, logger="distillkit"):
        together = fit_together(made(), weighted, epochs=2, stack_size=2)
    assert "The students train one by one: the examples have weights." in caplog.text
    for history, distiller in zip(together, made(), strict=True):
        pd.testing.assert_frame_equal(history, distiller.fit(weighted, epochs=2), check_exact=True)


def test_weights_with_schedules_and_features_in_bfloat16(net, weighted):
    """A loss whose numbers change from step to step, and one that learns something under autocast."""
    scheduled = losses.WeightedSum(
        terms={"soft": losses.SoftTargets(temperature=Linear(start=8, end=2)), "hard": losses.HardLabels()}
    )
    history, _ = trained(net, weighted, loss=scheduled, epochs=3, batch_size=16)
    assert history["terms.soft.temperature"].is_monotonic_decreasing
    fitnet = losses.FitNet(layers={"0": "0"})
    history, _ = trained(net, weighted, loss=fitnet, epochs=3, batch_size=16, precision="bf16")
    assert history["loss"].is_monotonic_decreasing
