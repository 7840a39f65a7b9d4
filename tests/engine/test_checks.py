"""Tests of what is checked on the first batch, and of what is noticed later."""

from __future__ import annotations

import copy
import warnings
from typing import Literal

import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller, losses
from distillkit.engine.checks import check_outputs
from distillkit.errors import ConfigurationError, DivergenceError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


def fit(net, data, **settings):
    """One epoch; the student must be untouched by a training that is refused."""
    settings = {"teacher": net(1), "student": net(2), "loss": HINTON, **settings}
    before = copy.deepcopy(settings["student"].state_dict())
    try:
        Distiller(**settings).fit(data, epochs=1, batch_size=16)
    except ConfigurationError:
        after = settings["student"].state_dict()
        assert all(
            value.is_meta or torch.equal(value.nan_to_num(7.0), before[name].nan_to_num(7.0))
            for name, value in after.items()
        )
        raise


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (nn.Linear(6, 5), "the teacher gives 5, the student 4; change the student's last layer"),
        (
            nn.Sequential(nn.Linear(6, 4), nn.Unflatten(1, (1, 4))),
            r"of one shape, got \[16, 1, 4\] and \[16, 4\]",
        ),
    ],
)
def test_outputs_that_do_not_fit_are_refused(net, data, teacher, sentence):
    """Class counts and shapes of both sides are named."""
    with pytest.raises(ConfigurationError, match=sentence):
        fit(net, data, teacher=teacher)


@pytest.mark.parametrize("last", [nn.Flatten(0), nn.Threshold(0, 0)])
def test_a_student_without_logits_is_refused(net, data, last):
    """Logits are [batch, classes] in a floating dtype."""

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(2)

        def forward(self, x):
            return self.inner(x).long() if isinstance(last, nn.Threshold) else last(self.inner(x))

    with pytest.raises(ConfigurationError, match=r"must give logits of shape \[batch, classes\]"):
        fit(net, data, student=Whole(), teacher=None, loss=losses.HardLabels())


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (lambda y: y + 1, r"Labels must be in \[0, 3\], since the student has 4 classes; got \d to 4"),
        (lambda y: y - 1, r"got -1 to"),
        (lambda y: y[:, None], r"whole numbers of shape \[16\], got torch.int64 \[16, 1\]"),
        (lambda y: y.float(), r"got torch.float32 \[16\]"),
        (lambda y: nn.functional.one_hot(y), r"got torch.int64 \[16, 4\]"),
    ],
)
def test_labels_that_do_not_fit_are_refused(net, data, labels, sentence):
    """Their range, shape and type are named."""
    with pytest.raises(ConfigurationError, match=sentence):
        fit(net, (data[0], labels(data[1])))


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_both_sides_must_be_on_one_device(net, data, side):
    """Both devices are named."""
    moved = net(3).to("meta")
    with pytest.raises(ConfigurationError, match="must be on one device: the student is on") as caught:
        fit(net, data, **{side: moved})
    assert "meta" in str(caught.value)
    assert "cpu" in str(caught.value)
    with pytest.raises(ConfigurationError, match="must be on one device"):
        Distiller(**{"teacher": net(1), "student": net(2), "loss": HINTON, side: moved}).evaluate(data)


def test_a_student_in_two_places_is_refused(net, data):
    """A part of the student on another device is found."""
    student = net(2)
    student[-1].to("meta")
    with pytest.raises(ConfigurationError, match="a tensor of the student on meta"):
        fit(net, data, student=student)


@pytest.mark.parametrize("where", ["inputs", "weights", "teacher"])
def test_what_is_not_finite_is_refused(net, data, where):
    """A first batch whose loss is not finite trains nothing."""
    x, y = data[0].clone(), data[1]
    teacher, student = net(1), net(2)
    if where == "inputs":
        x[:] = float("inf")
    else:
        with torch.no_grad():
            (student if where == "weights" else teacher)[0].weight.fill_(float("nan"))
    with pytest.raises(ConfigurationError, match="finite"):
        fit(net, (x, y), teacher=teacher if where == "teacher" else None, student=student,
            loss=HINTON if where == "teacher" else losses.HardLabels())  # fmt: skip


def test_an_optimiser_of_other_parameters_is_refused(net, data):
    """Foreign parameters and missing ones are counted."""
    teacher, student = net(1), net(2)
    both = torch.optim.SGD([*teacher.parameters(), *student.parameters()], lr=0.1)
    with pytest.raises(ConfigurationError, match=r"holds 4 parameter\(s\) that are not the student's"):
        fit(net, data, teacher=teacher, student=student, optimizer=both)
    part = torch.optim.SGD(student[0].parameters(), lr=0.1)
    with pytest.raises(ConfigurationError, match="lacks 2 of the student's 4 trainable parameters"):
        fit(net, data, student=student, optimizer=part)
    student[-1].requires_grad_(False)
    fit(net, data, student=student, optimizer=part)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lambda *, student, teacher, labels: student.logits.sum(-1), r"got a tensor of shape \[16\]"),
        (lambda *, student, teacher, labels: 1.0, "got float"),
        (lambda *, student, teacher, labels: teacher.logits.sum(), "no gradient reaches"),
    ],
)
def test_a_loss_that_cannot_be_trained_on_is_refused(net, data, loss, sentence):
    """It must be a scalar tensor that depends on the student."""
    with pytest.raises(ConfigurationError, match=sentence):
        fit(net, data, loss=loss)


def test_a_term_must_not_take_the_name_of_a_column(net, data):
    """Of two terms one named 'loss' would overwrite the loss in the history; a single one does not."""
    soft = losses.SoftTargets(temperature=2)
    for name in ("loss", "epoch", "nll"):
        with pytest.raises(ConfigurationError, match=f"named '{name}', which is a column"):
            fit(net, data, loss=losses.WeightedSum(terms={name: soft, "hard": losses.HardLabels()}))
    fit(net, data, loss=losses.WeightedSum(terms={"loss": soft}))


def test_a_loss_without_contributions_is_refused(net, data):
    """A loss of one's own must name at least one."""

    class Empty(losses.Loss):
        kind: Literal["empty"] = "empty"

        def __call__(self, *, student, teacher, labels):
            return student.logits.sum()

        def contributions(self, *, student, teacher, labels):
            return {}

    with pytest.raises(ConfigurationError, match="no contributions"):
        fit(net, data, loss=Empty())


@pytest.mark.parametrize(
    ("last", "sentence"),
    [(nn.Softmax(dim=-1), "look like probabilities"), (nn.ReLU(), "negative"), (nn.Softplus(), "negative")],
)
def test_a_teacher_that_gives_no_logits_is_a_warning(net, data, last, sentence):
    """Probabilities and outputs that are never negative are told, with what to do; the training goes on."""
    with pytest.warns(UserWarning, match=sentence):
        fit(net, data, teacher=nn.Sequential(net(1), last))


@pytest.mark.parametrize("last", [nn.Identity(), nn.LogSoftmax(dim=-1)])
def test_ordinary_logits_are_no_warning(net, data, last):
    """Neither are logarithms of probabilities, which are logits."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(net, data, teacher=nn.Sequential(net(1), last))


def test_a_few_logits_may_be_positive_by_chance():
    """A batch of one without a negative logit says nothing, unless there are zeros, as a ReLU leaves them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_outputs(torch.zeros(1, 3), torch.tensor([[0.3, 2.0, 1.0]]), None)
    with pytest.warns(UserWarning, match="negative"):
        check_outputs(torch.zeros(1, 3), torch.tensor([[0.0, 2.0, 1.0]]), None)


def test_a_warning_is_given_once(net, data):
    """Only the first batch of a fit is looked at."""
    with pytest.warns(UserWarning, match="negative") as caught:
        Distiller(teacher=nn.Sequential(net(1), nn.ReLU()), student=net(2), loss=HINTON).fit(
            data, epochs=3, batch_size=8
        )
    assert len(caught) == 1


@pytest.mark.parametrize("step", [2, 4, 60])
def test_a_loss_that_turns_nan_stops_the_training(net, data, step):
    """The sentence names step, epoch, terms and likely causes, and the models are given back."""

    class Spoil(Callback):
        def on_step_end(self, distiller, at):
            if at == step - 1:
                with torch.no_grad():
                    distiller.student[-1].bias.fill_(float("nan"))

    x, y = data[0].repeat(2, 1), data[1].repeat(2)
    teacher = net(1, dropout=0.2)
    distiller = Distiller(
        teacher=teacher, student=net(2), loss=HINTON, callbacks=[Spoil()], teacher_cache="off"
    )
    before = torch.random.get_rng_state()
    with pytest.raises(DivergenceError, match=rf"at step {step} of epoch 1 \(soft=nan, hard=nan\)") as caught:
        distiller.fit((x, y), epochs=2, batch_size=1)
    for cause in ("learning rate", "clip_norm", "fp16", "inputs"):
        assert cause in str(caught.value)
    assert all(part.training for part in [*teacher.modules(), *distiller.student.modules()])
    assert torch.equal(before, torch.random.get_rng_state())
    assert distiller.epochs_done == 0
