"""The moving average as a teacher, against a loop by hand; and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distillkit import Distiller, Ensemble, MeanTeacher, TeacherCache, fit_together, losses
from distillkit.engine.data.seeds import epoch_order
from distillkit.engine.teacher.policy import CachePolicy
from distillkit.errors import ConfigurationError
from optimizers import sgd

HINTON = losses.hinton(temperature=2, hard_label_weight=0.25)


def taught(student, *, decay=0.9, loss=HINTON, **settings):
    """A student with its own average as the teacher, and that average."""
    mean = MeanTeacher(student, decay=decay)
    settings = {"optimizer": sgd, **settings}
    return Distiller(teacher=mean.teacher, student=student, loss=loss, callbacks=[mean], **settings), mean


def assert_close(one, other):
    """To the rounding of float64."""
    for left, right in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-11, atol=1e-12)


def test_equals_a_loop_by_hand(net, data):
    """Student, teacher, its running statistics and the losses of two fits, as plain torch has them."""
    x, y = data
    student = net(1, norm=True)
    twin, average = copy.deepcopy(student), copy.deepcopy(student)
    distiller, mean = taught(student, decay=0.9)
    histories = [distiller.fit(data, epochs=2, batch_size=8), distiller.fit(data, epochs=1, batch_size=8)]

    optimizer, steps, expected = sgd(twin.parameters()), 0, []
    twin.train()
    average.eval()
    for epoch in range(3):
        soft_losses = []
        for part in epoch_order(torch.arange(len(x)), 0, epoch).split(8):
            z = twin(x[part])
            with torch.no_grad():
                p = (average(x[part]) / 2).softmax(-1)
            soft = 0.75 * 4 * (p * (p.log() - F.log_softmax(z / 2, -1))).sum() / len(part)
            optimizer.zero_grad()
            (soft + 0.25 * F.cross_entropy(z, y[part])).backward()
            optimizer.step()
            steps += 1
            decay = min(1 - 1 / (steps + 1), 0.9)
            with torch.no_grad():
                for old, new in zip(average.parameters(), twin.parameters(), strict=True):
                    old.mul_(decay).add_(new * (1 - decay))
                for name in ("running_mean", "running_var"):
                    old, new = getattr(average[1], name), getattr(twin[1], name)
                    old.mul_(decay).add_(new * (1 - decay))
                average[1].num_batches_tracked.copy_(twin[1].num_batches_tracked)
            soft_losses.append(float(soft.detach()))
        expected.append(sum(soft_losses) / len(soft_losses))

    found = [value for history in histories for value in history["soft"]]
    assert found == pytest.approx(expected, rel=1e-11)
    assert mean.steps == steps == 21
    assert_close(student, twin)
    assert_close(mean.teacher, average)


def test_plain_average_at_first(net, data):
    """With a decay near 1 the teacher is the mean of the start and of the student after each step."""
    student = net(1)
    distiller, mean = taught(student, decay=0.9999)
    seen = [student[0].weight.detach().clone()]
    for _ in range(5):
        distiller.step(data)
        mean.on_step_end(distiller, mean.steps + 1)
        seen.append(student[0].weight.detach().clone())
    torch.testing.assert_close(mean.teacher[0].weight, torch.stack(seen).mean(0))


def test_it_follows_at_once_without_decay(net, data):
    """D = 0: the teacher is the student after each update."""
    student = net(1, norm=True)
    distiller, mean = taught(student, decay=0)
    distiller.fit(data, epochs=1, batch_size=8)
    assert_close(mean.teacher, student)


def test_its_answers_are_never_kept(net, data):
    """`auto` is off; what keeps answers is refused, by name."""
    for cache in ("auto", "off"):
        distiller, _ = taught(net(1), teacher_cache=cache)
        assert distiller.training.teacher_cache == CachePolicy("off")
    for cache in ("on", TeacherCache()):
        with pytest.raises(ConfigurationError, match="A callback changes the teacher"):
            taught(net(1), teacher_cache=cache)
    seen = []

    def keep(*, student, teacher, labels):
        seen.append(teacher.logits.clone())
        return HINTON(student=student, teacher=teacher, labels=labels)

    distiller, mean = taught(net(1), loss=keep)
    start = copy.deepcopy(mean.teacher)
    history = distiller.fit(data, epochs=3, batch_size=50, evaluate_on=data)
    assert [torch.allclose(one, start(data[0][epoch_order(torch.arange(50), 0, i)])) for i, one in
            enumerate(seen)] == [True, False, False]  # fmt: skip
    now = copy.deepcopy(distiller.student).eval()(data[0]).argmax(-1)
    agreement = (now == mean.teacher(data[0]).argmax(-1)).double().mean()
    assert history["teacher_agreement"].iloc[-1] == pytest.approx(float(agreement))


def test_layers_can_be_compared(net, data):
    """It has the student's layers, under their names."""
    distiller, mean = taught(net(1, dropout=0.5), loss=losses.FitNet(layers={"0": "0"}))
    distiller.fit(data, epochs=2)
    assert mean.steps == 2


def test_beside_another_teacher(net, data):
    """It may teach within an ensemble."""
    student = net(1)
    mean = MeanTeacher(student)
    both = Ensemble([mean.teacher, net(2)], average="probabilities")
    Distiller(teacher=both, student=student, loss=HINTON, callbacks=[mean]).fit(data, epochs=2)
    assert mean.steps == 2


def test_students_trained_together_keep_their_own(net, data):
    """In a stack each student follows its own average, as alone."""

    def make():
        return [taught(net(seed), seed=seed) for seed in (1, 2, 3)]

    together, alone = make(), make()
    fit_together([one for one, _ in together], data, epochs=3, batch_size=16, stack_size=3)
    for distiller, _ in alone:
        distiller.fit(data, epochs=3, batch_size=16)
    for (one, mean), (other, expected) in zip(together, alone, strict=True):
        assert mean.steps == 12
        for left, right in (
            (one.student, other.student), (mean.teacher, expected.teacher)
        ):  # fmt: skip
            for a, b in zip(left.parameters(), right.parameters(), strict=True):
                torch.testing.assert_close(a, b)


class _Masked(nn.Module):
    """Buffers of all sorts: an endless mask, a count, a running number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4).double()
        self.register_buffer("mask", torch.tensor([0.0, 0.0, -torch.inf, 0.0]).double())
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("running", torch.zeros(()).double())

    def forward(self, x):
        if self.training:
            self.count += 1
            self.running += 1
        return self.layer(x) + self.mask.clamp_min(-5)


def test_what_has_no_average_is_copied(data):
    """−∞ stays −∞ and a count is the student's; a running number is averaged."""
    student = _Masked()
    distiller, mean = taught(student, decay=0.5)
    distiller.fit(data, epochs=1, batch_size=25)
    assert torch.equal(mean.teacher.mask, student.mask)
    assert int(mean.teacher.count) == int(student.count) == 2
    assert float(mean.teacher.running) == 0.5 * (0.5 * 0 + 0.5 * 1) + 0.5 * 2


def test_teacher_is_no_part_of_the_student(net):
    """It learns nothing itself, and stays in evaluation mode."""
    student = net(1, norm=True)
    mean = MeanTeacher(student)
    assert not any(weight.requires_grad for weight in mean.teacher.parameters())
    assert not mean.teacher.training
    assert student.training
    assert all(weight.requires_grad for weight in student.parameters())


def test_what_is_refused(net, data):
    """Another teacher or student, a decay out of range, what is no module, and weights in 16 bits."""
    student = net(1)
    mean = MeanTeacher(student)
    for teacher, own in ((net(2), student), (None, student), (mean.teacher, net(3))):
        loss = losses.HardLabels() if teacher is None else HINTON
        with pytest.raises(ConfigurationError, match="for the student that it was made from"):
            Distiller(teacher=teacher, student=own, loss=loss, callbacks=[mean]).fit(data, epochs=1)
    for decay in (-0.1, 1, float("nan")):
        with pytest.raises(ConfigurationError, match=r"decay must be in \[0, 1\)"):
            MeanTeacher(student, decay=decay)
    with pytest.raises(ConfigurationError, match=r"must be a torch\.nn\.Module, got str"):
        MeanTeacher("student")
    with pytest.raises(ConfigurationError, match="stands still in 16 bits"):
        MeanTeacher(net(1).bfloat16())
