"""Tests of updates made in one pass: what they give is what the plain updates give."""

from __future__ import annotations

import logging
from functools import partial

import pandas as pd
import pytest
import torch
from torch import nn

from distillkit import Callback, Distiller, MaxNorm, fit_together, losses
from distillkit.engine.update.fused import switch as stepping
from distillkit.engine.update.fused.bf16_weights import Bf16Weights
from distillkit.schedules import Linear, WarmUp

COMPILE = torch.compile
HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
MOMENTUM = partial(torch.optim.SGD, lr=0.05, momentum=0.9, fused=True)
ADAM = partial(torch.optim.AdamW, lr=0.01, fused=True)


def distiller(net, mode="auto", *, student=None, **settings):
    """One that trains in bfloat16."""
    given = {"optimizer": MOMENTUM, "clip_norm": 0.5, "precision": "bf16", "loss": HINTON, **settings}
    return Distiller(teacher=net(1), student=student or net(2, dropout=0.1), compile=mode, **given)


def both(net, data, **settings):
    """Histories and students, in one pass and without."""
    made = [distiller(net, mode, **settings) for mode in ("auto", "off")]
    return [(one.fit(data, epochs=3, batch_size=8, evaluate_on=data), one) for one in made]


def assert_alike(fast, plain):
    """Histories and weights but for rounding."""
    (history, ours), (expected, theirs) = fast, plain
    pd.testing.assert_frame_equal(history, expected, rtol=2e-3, atol=1e-4)
    for one, other in zip(ours.student.parameters(), theirs.student.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_a_training_is_that_of_plain_updates(net, data, traced, optimizer, clip_norm):
    """Dropout, a schedule, a smaller last batch."""
    schedule = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9)
    fast, plain = both(net, data, optimizer=optimizer, clip_norm=clip_norm, schedule=schedule)
    assert traced
    assert_alike(fast, plain)


def test_scheduled_numbers_are_those_of_each_step(net, data, traced):
    """The pass is of gradients and weights; the loss is computed as ever, with new numbers at each step."""
    loss = losses.WeightedSum(
        terms={"soft": losses.SoftTargets(temperature=Linear(start=10, end=1)), "hard": losses.HardLabels()},
        weights={"soft": WarmUp(end=2, share=0.5), "hard": 1},
    )
    fast, plain = both(net, data, loss=loss)
    assert traced
    assert_alike(fast, plain)


def test_examples_may_have_weights(net, data, traced):
    """They go into the loss, before the pass."""
    weighted = (*data, torch.rand(len(data[0]), generator=torch.Generator().manual_seed(0)))
    fast, plain = both(net, weighted)
    assert traced
    assert_alike(fast, plain)


def test_without_clipping_only_the_last_digit_differs(net, data, traced):
    """No sum is taken in another order; torch's optimiser rounds a product and a sum at once."""
    optimizer = partial(torch.optim.SGD, lr=0.05)
    (_, ours), (_, theirs) = both(net, data, optimizer=optimizer, clip_norm=None)
    assert traced
    for one, other in zip(ours.student.parameters(), theirs.student.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_normalisation_keeps_its_float32_weights(net, data, traced):
    """What autocast does not cast is no copy, and is stepped all the same."""
    student = partial(net, 2, norm=True)
    made = [distiller(net, mode, student=student()) for mode in ("auto", "off")]
    fast, plain = [(one.fit(data, epochs=3, batch_size=10, evaluate_on=data), one) for one in made]
    assert traced
    assert_alike(fast, plain)


def test_the_student_is_given_back_as_it_came(net, data, traced):
    """Its own parameters, in float32, where they were, without gradients of another time."""
    one = distiller(net)
    before = dict(one.student.named_parameters())
    one.fit(data, epochs=1, batch_size=8)
    after = dict(one.student.named_parameters())
    assert traced
    assert all(after[name] is before[name] for name in before)
    assert {parameter.dtype for parameter in after.values()} == {torch.float32}
    assert all(parameter.grad is None for parameter in after.values())


def test_copies_go_also_after_an_error(net):
    """An interrupt leaves the student as it was."""
    student = net(2)
    before = list(student.parameters())

    def interrupted():
        with Bf16Weights(student).in_place():
            assert next(student.parameters()).dtype == torch.bfloat16
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(one is other for one, other in zip(before, student.parameters(), strict=True))


class _ReadsItsWeights(nn.Module):
    """Uses a layer's weight otherwise than the layer does."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) + 1e-3 * self.inner[0].weight.sum()


def test_a_student_that_uses_its_weights_itself_is_left_alone(net, data, traced, caplog):
    """There a rounded copy would be another number."""
    with caplog.at_level(logging.INFO, logger="distillkit"):
        distiller(net, student=_ReadsItsWeights(net(2))).fit(data, epochs=1, batch_size=8)
    assert not traced
    assert "uses the weights of layers in ways of its own" in caplog.text


def test_hooks_on_weights_are_called(net, data, traced):
    """So the optimiser steps itself."""
    student, seen = net(2), []
    next(student.parameters()).register_hook(lambda gradient: seen.append(gradient.dtype))
    distiller(net, student=student).fit(data, epochs=1, batch_size=25)
    assert not traced
    assert seen == [torch.float32] * 2


def test_callbacks_that_may_look_or_change_keep_plain_updates(net, data, traced):
    """Unless they say that they only watch."""
    distiller(net, callbacks=[MaxNorm(15)]).fit(data, epochs=1, batch_size=8)
    assert not traced

    class Watch(Callback):
        only_watches = True
        steps = 0

        def on_step_end(self, distiller, step):
            self.steps += 1

    watch = Watch()
    distiller(net, callbacks=[watch]).fit(data, epochs=1, batch_size=10)
    assert traced
    assert watch.steps == 5


def test_what_changes_between_epochs_is_seen(net, data, traced):
    """Weights replaced, a layer frozen, an optimiser's state loaded."""

    class Change(Callback):
        def on_epoch_end(self, distiller, row):
            first, last = distiller.student[0], distiller.student[-1]
            last.weight.data = last.weight.data * 0.5
            first.weight.requires_grad_(row["epoch"] != 1)
            distiller.optimizer.load_state_dict(distiller.optimizer.state_dict())

    fast, plain = both(net, data, callbacks=[Change()], clip_norm=None)
    assert traced
    assert_alike(fast, plain)


class _SometimesUnused(nn.Module):
    """A head that not every batch reaches."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.more = inner, nn.Linear(6, 4)
        nn.init.ones_(self.more.weight)
        nn.init.zeros_(self.more.bias)
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        skips = self.training and self.calls % 3 == 0
        return self.inner(x) if skips else self.inner(x) + self.more(x)


def test_a_weight_without_a_gradient_is_left_alone(net, data, traced):
    """As torch's optimisers do, momentum or not."""
    made = [distiller(net, mode, student=_SometimesUnused(net(2))) for mode in ("auto", "off")]
    fast, plain = [(one.fit(data, epochs=3, batch_size=8, evaluate_on=data), one) for one in made]
    assert traced
    assert_alike(fast, plain)


def test_a_stack_is_stepped_in_one_pass_too(net, data, traced):
    """Each student as if it were alone."""
    made = {
        mode: [
            distiller(net, mode, student=net(seed), loss=losses.hinton(temperature, 0.25), clip_norm=norm)
            for seed, temperature, norm in ((2, 1, 0.5), (3, 4, None), (4, 20, 0.1))
        ]
        for mode in ("auto", "off")
    }
    together = {
        mode: fit_together(students, data, epochs=3, batch_size=8, evaluate_on=data, stack_size=3)
        for mode, students in made.items()
    }
    assert traced
    for place in range(3):
        assert_alike(*((together[mode][place], made[mode][place]) for mode in ("auto", "off")))


def test_students_of_one_shape_share_what_is_compiled(net, data, traced):
    """The scale and the pass, once each, whatever the number of students."""
    for _ in range(3):
        distiller(net).fit(data, epochs=2, batch_size=8)
    assert len(traced) == 2


def test_little_work_is_not_worth_compiling(net, data, monkeypatch):
    """`auto` looks at weights times steps; `off` is off; other precisions have no casts to save."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("nothing is to be compiled"))
    distiller(net).fit(data, epochs=1)
    monkeypatch.setattr(stepping, "_NUMBERS_THAT_PAY", 0)
    distiller(net, "off").fit(data, epochs=1)
    distiller(net, precision="fp32").fit(data, epochs=1)
    one = distiller(net)
    one.step(data)
    one.step(data)


def test_a_machine_without_a_compiler_says_so_once(net, data, traced, monkeypatch, caplog):
    """The numbers are those of plain updates."""

    def broken(graph, inputs):
        raise RuntimeError("there is no compiler here")

    monkeypatch.setattr(torch, "compile", partial(COMPILE, backend=broken))
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        made = [distiller(net) for _ in range(2)]
        histories = [one.fit(data, epochs=2, batch_size=8) for one in made]
    expected = distiller(net, "off").fit(data, epochs=2, batch_size=8)
    for history in histories:
        pd.testing.assert_frame_equal(history, expected, check_exact=True)
    assert caplog.text.count("torch.compile does not work here") == 1


def test_the_pass_is_compiled(net, data, monkeypatch):
    """By torch's own compiler, where there is one; else as `auto` goes on without."""
    monkeypatch.setattr(stepping, "_NUMBERS_THAT_PAY", 0)
    fast, plain = both(net, data)
    assert_alike(fast, plain)
