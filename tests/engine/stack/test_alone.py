"""What cannot be one stack is trained by `fit`, and what makes no sense is refused."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Literal

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from distillkit import Distiller, Ensemble, fit_together, losses
from distillkit.errors import ConfigurationError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


def tied(made):
    """A net whose first layer is in it twice."""
    between = nn.Linear(4, 6)
    nn.init.constant_(between.weight, 0.1)
    nn.init.zeros_(between.bias)
    return nn.Sequential(made, between, made)


def hooked(made):
    """A net with a hook."""
    made.register_forward_hook(lambda *_: None)
    return made


class Asking(nn.Module):
    """Its way depends on a value, which `vmap` refuses."""

    def __init__(self, made):
        super().__init__()
        self.inner = made

    def forward(self, x):
        """One way or the other."""
        out = self.inner(x)
        return out if float(self.inner[0].weight.detach().sum()) > -100 else -out


class Reassigning(nn.Module):
    """Puts another tensor in its buffer's place, as a moving average does that is written carelessly."""

    def __init__(self, made):
        super().__init__()
        self.inner = made
        self.register_buffer("centre", torch.zeros(4))

    def forward(self, x):
        """The logits, centred."""
        out = self.inner(x)
        if self.training:
            self.centre = 0.9 * self.centre + 0.1 * out.detach().mean(0)
        return out - self.centre


class Counting(nn.Module):
    """Counts its passes in a plain number."""

    def __init__(self, made):
        super().__init__()
        self.inner, self.passes = made, 0

    def forward(self, x):
        """The logits."""
        self.passes += 1
        return self.inner(x)


class Locked(nn.Module):
    """Holds what cannot be copied, one for all."""

    lock = threading.Lock()

    def __init__(self, made):
        super().__init__()
        self.inner, self.own = made, Locked.lock

    def forward(self, x):
        """The logits."""
        return self.inner(x) + 0


def padded(made):
    """A net with an embedding that spares a row."""
    return nn.Sequential(made, Padded())


class Padded(nn.Module):
    """Adds the embedding of class 0, whose row is never trained."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Embedding(3, 4, padding_idx=0)
        nn.init.constant_(self.rows.weight, 0.5)

    def forward(self, x):
        """The logits, moved."""
        return x + self.rows(torch.arange(len(x)) % 3)


def weight_hooked(made):
    """A net one of whose weights has its gradient masked."""
    made[0].weight.register_hook(lambda gradient: gradient * 0)
    return made


def hooked_optimizer(parameters):
    """An optimiser that tells somebody of its steps."""
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    optimizer.register_step_post_hook(lambda *_: None)
    return optimizer


ALONE = {
    "reassigned buffer": ({"student": Reassigning}, "more than its weights"),
    "counting": ({"student": Counting}, "more than its weights"),
    "locked": ({"student": Locked}, "torch cannot run it as a stack"),
    "padded": ({"student": padded}, "padding row"),
    "weight hook": ({"student": weight_hooked}, "weights have hooks"),
    "hooked optimiser": ({"optimizer": hooked_optimizer}, "optimiser has hooks"),
    "batch norm's plain mean": (
        {"student": lambda made: nn.Sequential(nn.BatchNorm1d(6, momentum=None), made)},
        "torch cannot run it as a stack",
    ),
    "tied": ({"student": tied}, "tied"),
    "hooked": ({"student": hooked}, "hooks"),
    "asking": ({"student": Asking}, "torch cannot run it as a stack"),
    "compiled": ({"compile": "on"}, "compiled"),
    "muon": ({"optimizer": lambda p: torch.optim.Adafactor(p)}, "Adafactor may mix"),
}


@pytest.mark.parametrize(("settings", "why"), ALONE.values(), ids=ALONE)
def test_what_cannot_be_stacked_is_trained_alone(net, data, settings, why, caplog, monkeypatch):
    """With the same result, and the reason in the log."""
    monkeypatch.setattr(torch, "compile", lambda module: module)

    def make():
        return [
            Distiller(
                teacher=net(1), loss=HINTON, seed=seed,
                **{**settings, "student": settings.get("student", lambda made: made)(net(2))},
            )
            for seed in range(2)
        ]  # fmt: skip

    with caplog.at_level(logging.INFO, logger="distillkit"):
        got = fit_together(make(), data, epochs=1, batch_size=16, stack_size=2)
    assert why in caplog.text
    for history, own in zip(got, make(), strict=True):
        assert history["loss"].tolist() == own.fit(data, epochs=1, batch_size=16)["loss"].tolist()


FIRST_STACK = """
import logging, torch
from torch import nn
from distillkit import Distiller, fit_together, losses
logging.basicConfig(level=logging.INFO)

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)
    def forward(self, x):
        return self.inner(x)

def train(kind):
    loss = losses.HardLabels()
    students = [Distiller(teacher=None, student=kind(), loss=loss, seed=seed) for seed in range(2)]
    fit_together(students, (torch.randn(8, 4), torch.arange(8) % 3), epochs=1, batch_size=4, stack_size=2)

for kind in (KIND, KIND):
    train(kind)
"""


@pytest.mark.parametrize("kind", ["lambda: nn.Sequential(nn.Linear(4, 3))", "Own"])
def test_the_first_stack_of_a_process_is_one(kind):
    """What torch warns of once a process does not make the first stack another thing than the next."""
    program = FIRST_STACK.replace("KIND", kind)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.count("train in stacks of at most 2") == 2
    assert "one by one" not in done.stderr


def test_data_that_are_no_tensors_and_one_student_are_trained_by_fit(net, data):
    """A data set is read by each."""
    distillers = [Distiller(teacher=net(1), student=net(2), loss=HINTON) for _ in range(2)]
    assert len(fit_together(distillers, TensorDataset(*data), epochs=1, stack_size=2)) == 2
    assert len(fit_together(distillers[:1], data, epochs=1)) == 1
    assert fit_together([], data, epochs=1) == []


def test_what_is_shared_is_refused(net, data):
    """One student or optimiser in two Distillers, or a student as another's teacher."""
    one = Distiller(teacher=net(1), student=net(2), loss=HINTON)
    twin = Distiller(teacher=net(1), student=one.student, loss=HINTON)
    pupil = Distiller(teacher=one.student, student=net(3), loss=HINTON)
    with pytest.raises(ConfigurationError, match="same parameters"):
        fit_together([one, twin], data, epochs=1)
    with pytest.raises(ConfigurationError, match="one optimiser"):
        fit_together([one, one], data, epochs=1)
    backbone = nn.Linear(6, 6)
    parted = [
        Distiller(teacher=net(1), student=nn.Sequential(backbone, net(seed)), loss=HINTON) for seed in (2, 3)
    ]
    with pytest.raises(ConfigurationError, match="same parameters"):
        fit_together(parted, data, epochs=1)
    both = Ensemble([one.student, net(5)], average="logits")
    with pytest.raises(ConfigurationError, match="train that one first"):
        fit_together([one, Distiller(teacher=both, student=net(3), loss=HINTON)], data, epochs=1)
    with pytest.raises(ConfigurationError, match="train that one first"):
        fit_together([one, pupil], data, epochs=1)
    with pytest.raises(ConfigurationError, match="stack_size must be at least 1"):
        fit_together([one], data, epochs=1, stack_size=0)


class OfShape(losses.Loss):
    """No scalar."""

    kind: Literal["of_shape"] = "of_shape"
    number: float = 1.0

    def __call__(self, *, student, teacher, labels):
        """One value an example, or a list of one."""
        return self.number * student.logits.square().mean(-1)


def test_a_loss_that_is_no_scalar_is_refused_as_by_fit(net, data):
    """Its sum would be trained on otherwise."""
    distillers = [Distiller(teacher=net(1), student=net(2), loss=OfShape(number=n)) for n in (1.0, 2.0)]
    with pytest.raises(ConfigurationError, match="must return a scalar"):
        fit_together(distillers, data, epochs=1, stack_size=2)


def test_teachers_of_other_classes_are_refused(net, data):
    """One of them gives five."""
    five = nn.Linear(6, 5)
    distillers = [Distiller(teacher=one, student=net(2), loss=HINTON) for one in (net(1), five)]
    with pytest.raises(ConfigurationError, match="one shape"):
        fit_together(distillers, data, epochs=1, stack_size=2)


def test_batch_normalisation_and_a_last_batch_of_one(net, data):
    """The sentence of fit."""
    distillers = [
        Distiller(teacher=net(1), student=net(seed, norm=True), loss=HINTON, seed=seed) for seed in (2, 3)
    ]
    with pytest.raises(ConfigurationError, match="batch of one example"):
        fit_together(distillers, data, epochs=1, batch_size=49, stack_size=2)


def test_an_optimiser_that_fails_at_once_leaves_plain_students(net, data):
    """Before the first step, too, no student stays a view."""
    distillers = [
        Distiller(teacher=net(1), student=net(2), loss=HINTON, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
        for _ in range(2)
    ]
    distillers[1].optimizer.step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        fit_together(distillers, data, epochs=1, stack_size=2)
    for distiller in distillers:
        for tensor in distiller.student.parameters():
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_errors_are_those_of_fit(net, data):
    """A loss that needs labels says so before anything is trained."""
    x, _ = data
    distillers = [Distiller(teacher=net(1), student=net(2), loss=HINTON, seed=seed) for seed in range(2)]
    with pytest.raises(ConfigurationError, match="needs labels"):
        fit_together(distillers, x, epochs=1, stack_size=2)
