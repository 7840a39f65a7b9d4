"""Tests of recorded updates, with a recorder that does on a CPU what a CUDA graph does on a GPU."""

from __future__ import annotations

import gc
import logging

import pandas as pd
import pytest
import torch

from distillkit import Callback, Distiller, fit_together, losses
from distillkit.engine.loop import training as training_module
from distillkit.engine.trees import tensors_in, with_tensors
from distillkit.engine.update.cuda_graphs import CudaGraphRecorder, GraphedUpdate
from distillkit.errors import ConfigurationError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


class Replaying:
    """Computes nothing as it records, and at a replay reads only what it recorded.

    Give it the optimiser, and a replay knows its settings as they were too.
    """

    def __init__(self):
        self.warmed, self.replays, self.recordings = 0, 0, 0
        self.last = self.optimizer = None

    def warm_up(self, run):
        """Run it."""
        self.warmed += 1
        self.last = run()
        return self.last

    def record(self, run):
        """Tensors that say nothing until the replay."""
        self.recordings += 1
        result = with_tensors(
            self.last, iter([torch.full_like(one, float("nan")) for one in tensors_in(self.last)])
        )
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        recorded = [dict(group) for group in groups]

        def replay():
            self.replays += 1
            now = [dict(group) for group in groups]
            for group, then in zip(groups, recorded, strict=True):
                group.update(then)
            made = run()
            for group, current in zip(groups, now, strict=True):
                group.update(current)
            for kept, new in zip(tensors_in(result), tensors_in(made), strict=True):
                kept.copy_(new)

        return result, replay


class Refusing(Replaying):
    """Cannot record, as where an update reads a number from the device."""

    def record(self, run):
        """Raise what torch raises."""
        raise RuntimeError("operation not permitted when stream is capturing")


@pytest.fixture
def recorder(monkeypatch):
    """Stands where the GPU's would."""
    made = Replaying()
    monkeypatch.setattr(training_module, "recorder_for", lambda device: made)
    return made


def sgd(parameters):
    """Fused, with momentum; the learning rate is the same in float32."""
    return torch.optim.SGD(parameters, lr=0.125, momentum=0.9, fused=True)


def halving(optimizer):
    """Another learning rate each epoch."""
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


def unfused(parameters):
    """Reads its learning rate from nowhere but the call."""
    return torch.optim.SGD(parameters, lr=0.125)


SETTINGS = {
    "plain": {},
    "clipped": {"clip_norm": 0.3},
    "clipped before": {"clip_norm": 0.3, "optimizer": unfused},
    "scheduled": {"schedule": halving},
    "by step": {"schedule": halving, "schedule_unit": "step"},
    "unfused, scheduled": {"schedule": halving, "optimizer": unfused},
    "unfused, by step": {"schedule": halving, "schedule_unit": "step", "optimizer": unfused},
    "no teacher": {"teacher": None, "loss": losses.HardLabels()},
    "one term": {"loss": losses.SoftTargets(temperature=2)},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_recorded_training_is_the_training(net, data, recorder, settings):
    """To the bit, with a smaller last batch, and most updates replayed."""

    def train(mode):
        distiller = Distiller(
            **{"teacher": net(1), "student": net(2), "loss": HINTON, "optimizer": sgd, **settings},
            compile=mode,
        )
        recorder.optimizer = distiller.optimizer
        return distiller.fit(data, epochs=8, batch_size=8, evaluate_on=data)

    pd.testing.assert_frame_equal(train("graphs"), train("off"), check_exact=True)
    assert recorder.warmed + recorder.replays == 8 * 7
    always_new = settings.get("schedule_unit") == "step" and settings.get("optimizer") is unfused
    assert recorder.replays > 30 or always_new


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_a_recording_is_given_the_learning_rate_of_each_step(net, data, recorder, unit):
    """Two shapes of batches are recorded, once each, however often the learning rate moves."""
    distiller = Distiller(
        teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile="graphs",
        schedule=halving, schedule_unit=unit,
    )  # fmt: skip
    history = distiller.fit(data, epochs=8, batch_size=8)
    assert recorder.recordings == 2
    steps = range(8) if unit == "epoch" else range(0, 8 * 7, 7)
    assert history["learning_rate"].tolist() == [0.125 * 0.5**step for step in steps]
    assert all(isinstance(group["lr"], float) for group in distiller.optimizer.param_groups)


def test_a_momentum_that_moves_is_recorded_anew(net, data, recorder):
    """As a number that kernels are started with."""

    class Rising(Callback):
        """Momentum in the third epoch."""

        def on_epoch_end(self, distiller, row):
            distiller.optimizer.param_groups[0]["momentum"] = 0.5 if row["epoch"] < 2 else 0.95

    def train(mode):
        distiller = Distiller(
            teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile=mode, callbacks=[Rising()]
        )
        recorder.optimizer = distiller.optimizer
        return distiller.fit(data, epochs=4, batch_size=10)

    pd.testing.assert_frame_equal(train("graphs"), train("off"), check_exact=True)
    assert recorder.recordings == 3


def test_a_state_that_is_loaded_is_recorded_anew(net, data, recorder):
    """Its tensors are others than those recorded."""

    class Forgetting(Callback):
        """What the optimiser had when it was made, after the second epoch."""

        def on_epoch_end(self, distiller, row):
            if row["epoch"] == 2:
                distiller.optimizer.load_state_dict(sgd(net(2).parameters()).state_dict())

    def train(mode):
        distiller = Distiller(
            teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile=mode,
            callbacks=[Forgetting()],
        )  # fmt: skip
        return distiller.fit(data, epochs=4, batch_size=10)

    pd.testing.assert_frame_equal(train("graphs"), train("off"), check_exact=True)
    assert recorder.recordings == 2


def test_a_rate_that_is_a_tensor_already_stays_the_callers(net, data, recorder):
    """On the device a recording reads it anew; on the CPU its number is a setting like any other."""
    rate = torch.tensor(0.125)
    distiller = Distiller(
        teacher=net(1), student=net(2), loss=HINTON, compile="graphs",
        optimizer=lambda p: torch.optim.SGD(p, lr=rate, fused=True),
    )  # fmt: skip
    distiller.fit(data, epochs=2, batch_size=10)
    assert distiller.optimizer.param_groups[0]["lr"] is rate
    rate.fill_(0.0625)
    distiller.fit(data, epochs=2, batch_size=10)
    assert recorder.recordings == 2


def test_a_group_without_parameters_is_no_obstacle(net, data, recorder):
    """As that of what has no weight decay, in a net without biases."""
    student = net(2)
    distiller = Distiller(
        teacher=net(1), student=student, loss=HINTON, compile="graphs",
        optimizer=torch.optim.SGD([{"params": student.parameters()}, {"params": []}], lr=0.1, fused=True),
    )  # fmt: skip
    distiller.fit(data, epochs=2, batch_size=10)
    assert recorder.replays


def test_it_is_said_that_nothing_is_replayed(net, data, recorder, caplog):
    """With the number that moves."""
    distiller = Distiller(
        teacher=net(1), student=net(2), loss=HINTON, compile="graphs", optimizer=unfused,
        schedule=halving, schedule_unit="step",
    )  # fmt: skip
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        distiller.fit(data, epochs=11, batch_size=5)
    assert [one.message for one in caplog.records] == [
        "No update was replayed as a CUDA graph so far, since a number changes that a graph keeps (lr of "
        "group 0): give a fused optimiser, or let only the learning rate change."
    ]


def test_an_optimiser_that_cannot_be_recorded_at_all_runs_as_it_is(net, data, monkeypatch, caplog):
    """Whatever it raises as it is recorded."""

    class Surprised(Replaying):
        """As Adafactor's health check is."""

        def record(self, run):
            raise KeyError("capturable")

    monkeypatch.setattr(training_module, "recorder_for", lambda device: Surprised())
    distiller = Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile="graphs")
    distiller.fit(data, epochs=2, batch_size=10)
    assert "it runs as it is: 'capturable'" in caplog.text


def test_what_is_recorded_is_let_go_with_the_training(net, data, recorder):
    """It holds memory of the device."""
    distiller, other = (
        Distiller(teacher=net(1), student=net(seed), loss=HINTON, optimizer=sgd, compile="graphs")
        for seed in (2, 3)
    )
    gc.collect()
    gc.disable()
    try:
        distiller.fit(data, epochs=2, batch_size=10)
        fit_together([distiller, other], data, epochs=2, batch_size=10, stack_size=2)
        assert not [one for one in gc.get_objects() if type(one) is GraphedUpdate]
    finally:
        gc.enable()


def test_weights_of_examples_are_given_anew_at_every_replay(net, data, recorder):
    """Each batch has its own."""
    weighted = (*data, torch.rand(50, generator=torch.Generator().manual_seed(0)))

    def train(mode):
        distiller = Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile=mode)
        return distiller.fit(weighted, epochs=4, batch_size=10)

    pd.testing.assert_frame_equal(train("graphs"), train("off"), check_exact=True)
    assert recorder.replays > 10


def test_dropout_is_drawn_anew_at_every_replay(net, data, recorder):
    """As a CUDA graph does, which counts on in the device's random numbers."""

    def train(mode):
        student = net(2, dropout=0.5)
        return Distiller(
            teacher=net(1), student=student, loss=HINTON, optimizer=sgd, compile=mode
        ).fit(data, epochs=4, batch_size=10)  # fmt: skip

    pd.testing.assert_frame_equal(train("graphs"), train("off"), check_exact=True)
    assert recorder.replays


@pytest.mark.parametrize("differ", [{}, {"seed": 1}, {"clip_norm": 0.2}, {"schedule": halving}])
def test_a_recorded_stack_is_the_stack(net, data, recorder, differ):
    """With students that differ."""

    def train(mode):
        distillers = [
            Distiller(
                teacher=net(1), student=net(2), loss=losses.hinton(T, 0.25), optimizer=sgd, compile=mode,
                **(differ if T == 4 else {}),
            )
            for T in (2.0, 4.0)
        ]  # fmt: skip
        return fit_together(distillers, data, epochs=6, batch_size=8, stack_size=2)

    for ours, theirs in zip(train("graphs"), train("off"), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert recorder.replays > 20
    assert recorder.recordings < 20


def test_no_garbage_is_collected_while_recording(net, data, monkeypatch):
    """Of an older recording, whose end would end this one; before and after it is."""
    seen = []

    class Looking(Replaying):
        """At whether it would be."""

        def record(self, run):
            seen.append(gc.isenabled())
            return super().record(run)

    monkeypatch.setattr(training_module, "recorder_for", lambda device: Looking())
    Distiller(
        teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile="graphs"
    ).fit(data, epochs=2, batch_size=10)  # fmt: skip
    assert seen == [False]
    assert gc.isenabled()


def test_what_cannot_be_recorded_runs_as_it_is(net, data, monkeypatch, caplog):
    """With one warning."""
    monkeypatch.setattr(training_module, "recorder_for", lambda device: Refusing())

    def train(mode):
        return Distiller(
            teacher=net(1), student=net(2), loss=HINTON, optimizer=sgd, compile=mode
        ).fit(data, epochs=2, batch_size=8)  # fmt: skip

    with caplog.at_level(logging.WARNING, logger="distillkit"):
        history = train("graphs")
    pd.testing.assert_frame_equal(history, train("off"), check_exact=True)
    assert [one.message for one in caplog.records] == [
        "The update cannot be recorded as a CUDA graph, so it runs as it is: "
        "operation not permitted when stream is capturing"
    ]


def test_an_optimiser_that_is_not_made_for_it_is_named(net, data, recorder, caplog):
    """With what to do."""
    student = net(2)
    distiller = Distiller(
        teacher=net(1), student=student, loss=HINTON, compile="graphs",
        optimizer=torch.optim.Adam(student.parameters(), lr=0.01),
    )  # fmt: skip
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        distiller.fit(data, epochs=2, batch_size=8)
    assert "make the optimiser with Adam(..., capturable=True)" in caplog.text
    assert not recorder.warmed


@pytest.mark.parametrize("optimizer", [None, torch.optim.AdamW, torch.optim.NAdam])
def test_an_optimiser_made_here_can_be_recorded(net, recorder, optimizer):
    """Only where it is wanted; a stack makes another optimiser of its defaults."""
    made = [
        Distiller(
            teacher=None, student=net(2), loss=losses.HardLabels(), compile=mode, optimizer=optimizer
        ).optimizer
        for mode in ("graphs", "off")
    ]
    assert [one.param_groups[0]["capturable"] for one in made] == [True, False]
    assert [one.defaults["capturable"] for one in made] == [True, False]


def test_an_optimiser_that_remembers_steps_stays_as_it_is_made(net, recorder):
    """What it remembers may be on the CPU; the log says then that updates are not recorded."""

    def resumed(parameters):
        made = torch.optim.Adam(parameters, lr=0.01)
        for parameter in made.param_groups[0]["params"]:
            parameter.grad = torch.zeros_like(parameter)
        made.step()
        return made

    distiller = Distiller(
        teacher=None, student=net(2), loss=losses.HardLabels(), compile="graphs", optimizer=resumed
    )
    assert distiller.optimizer.param_groups[0]["capturable"] is False


def test_a_student_on_a_cpu_is_refused(net):
    """In a sentence."""
    with pytest.raises(ConfigurationError, match="needs a student on a GPU, got one on cpu"):
        Distiller(teacher=None, student=net(2), loss=losses.HardLabels(), compile="graphs")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_graphs_give_what_updates_give(net, data):
    """On the device itself."""

    def train(mode):
        distiller = Distiller(
            teacher=net(1).cuda(), student=net(2).cuda(), loss=HINTON, optimizer=sgd, compile=mode,
            precision="fp32", clip_norm=0.5,
        )  # fmt: skip
        return distiller, distiller.fit(data, epochs=6, batch_size=8, evaluate_on=data)

    (recorded, ours), (_, theirs) = train("graphs"), train("off")
    assert isinstance(recorded.training.recorder, CudaGraphRecorder)
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-4)
