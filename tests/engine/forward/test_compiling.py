"""Tests of torch.compile: on where it pays, and no obstacle where it fails."""

from __future__ import annotations

import logging

import pandas as pd
import pytest
import torch

from distillkit import Distiller, losses
from distillkit.engine.forward.compiling import Compiling, forward_of

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)
COMPILE = torch.compile


@pytest.fixture(autouse=True)
def fresh():
    """Nothing compiled before."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def train(net, data, mode):
    """A short training with a partial last batch; dropout is drawn otherwise where it is compiled."""
    distiller = Distiller(teacher=net(1), student=net(2), loss=HINTON, compile=mode)
    return distiller.fit(data, epochs=2, batch_size=16, evaluate_on=data), distiller.student


def test_auto_leaves_a_cpu_alone(net):
    """Compiling is for GPUs with many steps ahead."""
    student = net(2)
    assert forward_of(student, Compiling("auto"), 10**6, torch.device("cpu")) is student
    assert forward_of(student, Compiling("off"), 10**6, torch.device("cuda")) is student
    assert forward_of(student, Compiling("auto"), 100, torch.device("cuda")) is student


def test_a_compiled_student_learns_the_same(net, data, monkeypatch):
    """Through a back end that runs what was traced, history and names are those of the module itself."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda module: COMPILE(module, backend=backend))
    history, student = train(net, data, "on")
    plain, twin = train(net, data, "off")
    assert compiled
    pd.testing.assert_frame_equal(history, plain, check_exact=True)
    assert list(student.state_dict()) == list(twin.state_dict())


def test_nothing_is_compiled_again_for_a_batch_seen_before(net, data, monkeypatch):
    """Once for the batches, once for the smaller last one; not an epoch, and not a student of one shape."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda module: COMPILE(module, backend=backend))
    for _ in range(10):
        train(net, data, "on")
    assert len(compiled) == 2


def test_a_compiler_that_fails_is_a_warning(net, data, monkeypatch, caplog):
    """The student runs as it is, with the same numbers and one warning."""

    def backend(graph, inputs):
        raise RuntimeError("there is no compiler here")

    monkeypatch.setattr(torch, "compile", lambda module: COMPILE(module, backend=backend))
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        history, _ = train(net, data, "on")
    pd.testing.assert_frame_equal(history, train(net, data, "off")[0], check_exact=True)
    assert [record.levelname for record in caplog.records if record.name == "distillkit"] == ["WARNING"]
    assert "there is no compiler here" in caplog.text


def test_a_compiler_that_fails_at_another_shape_is_a_warning(net, data, monkeypatch, caplog):
    """The last, smaller batch may be what cannot be compiled."""
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        if len(calls) > 1:
            raise RuntimeError("only once")
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda module: COMPILE(module, backend=backend))
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        history, _ = train(net, data, "on")
    pd.testing.assert_frame_equal(history, train(net, data, "off")[0], check_exact=True)
    assert len([record for record in caplog.records if record.name == "distillkit"]) == 1


def test_a_python_without_a_compiler_is_a_warning(net, data, monkeypatch, caplog):
    """torch.compile itself may refuse."""

    def refuse(module):
        raise RuntimeError("torch.compile is not supported on this Python")

    monkeypatch.setattr(torch, "compile", refuse)
    with caplog.at_level(logging.WARNING, logger="distillkit"):
        history, _ = train(net, data, "on")
    assert "not supported on this Python" in caplog.text
    pd.testing.assert_frame_equal(history, train(net, data, "off")[0], check_exact=True)


def test_an_error_of_the_students_own_is_not_hidden(net, data, monkeypatch):
    """What the student raises comes through."""

    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net(2)

        def forward(self, x):
            raise ZeroDivisionError("mine")

    monkeypatch.setattr(torch, "compile", lambda module: COMPILE(module, backend="eager"))
    with pytest.raises(ZeroDivisionError, match="mine"):
        Distiller(teacher=None, student=Broken(), loss=losses.HardLabels(), compile="on").fit(data, epochs=1)
