"""Tests of `Distiller.step`: one update in a loop of one's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from distillkit import Distiller, losses, transfer_sets
from distillkit.engine.data.seeds import epoch_order, epoch_seed
from distillkit.errors import ConfigurationError

HINTON = losses.hinton(temperature=4, hard_label_weight=0.25)


def test_steps_equal_fit(net, data):
    """Steps over fit's batches, with fit's seed, give fit's losses and weights to the bit."""
    x, y = data
    settings = {"teacher": net(1, dropout=0.4), "loss": HINTON, "clip_norm": 0.5, "teacher_cache": "off"}
    fitted, stepped = net(2, dropout=0.3), net(2, dropout=0.3)
    history = Distiller(student=fitted, seed=3, **settings).fit(data, epochs=1, batch_size=16)
    distiller = Distiller(student=stepped, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(epoch_seed(3, 0))
        steps = [distiller.step((x[part], y[part])) for part in epoch_order(torch.arange(50), 3, 0).split(16)]
    assert history["soft"].tolist() == [sum(float(step["soft"]) for step in steps) / 4]
    for left, right in zip(fitted.parameters(), stepped.parameters(), strict=True):
        assert torch.equal(left, right)


def test_a_step_gives_scalars_without_gradients(net, data):
    """The contributions are by name, and hold no graph."""
    contributions = Distiller(teacher=net(1), student=net(2), loss=HINTON).step(data)
    assert list(contributions) == ["soft", "hard"]
    assert all(value.dim() == 0 and not value.requires_grad for value in contributions.values())


@pytest.mark.parametrize(
    "form", [lambda x, y: (x, y), lambda x, y: [x, y], lambda x, y: {"input": x, "labels": y}]
)
def test_a_step_takes_every_form_of_batch(net, data, form):
    """Pairs, lists of two and mappings are batches."""
    distiller = Distiller(teacher=None, student=net(2), loss=losses.HardLabels())
    loader = DataLoader(TensorDataset(*data), batch_size=10)
    assert len([distiller.step(form(x, y)) for x, y in loader]) == 5


def test_a_step_leaves_the_students_mode_to_the_loop(net, data):
    """A student in evaluation mode stays there, and learns without dropout."""
    student = net(2, dropout=0.9).eval()
    loss = Distiller(teacher=None, student=student, loss=losses.HardLabels()).step(data)["hard_labels"]
    twin = net(2).eval()
    assert not student.training
    assert torch.equal(loss, torch.nn.functional.cross_entropy(twin(data[0]), data[1]).detach())


@pytest.mark.parametrize("fitted_before", [False, True])
def test_a_step_cannot_use_a_transfer_set(net, data, fitted_before):
    """It says so, also after a fit."""
    distiller = Distiller(
        teacher=net(1), student=net(2), loss=HINTON, transfer_set=transfer_sets.OmitClasses(classes=[1])
    )
    if fitted_before:
        distiller.fit(data, epochs=1)
    with pytest.raises(
        ConfigurationError, match=r"step\(\) takes a batch as it comes and cannot use OmitClasses"
    ):
        distiller.step(data)


def test_a_step_after_a_fit_goes_on(net, data):
    """Fit, then steps of one's own, then fit again."""
    teacher, student = net(1), net(2)
    distiller = Distiller(teacher=teacher, student=student, loss=HINTON)
    distiller.fit(data, epochs=1)
    before = copy.deepcopy(student.state_dict())
    distiller.step(data)
    assert not torch.equal(before["0.weight"], student[0].weight)
    assert distiller.fit(data, epochs=1)["epoch"].tolist() == [2]


def test_the_first_batch_of_a_loop_is_checked(net, data):
    """Nothing is trained on a batch that does not fit, and the next one is checked again."""
    student = net(2)
    before = copy.deepcopy(student.state_dict())
    distiller = Distiller(teacher=None, student=student, loss=losses.HardLabels())
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"Labels must be in \[0, 3\]"):
            distiller.step((data[0], data[1] + 1))
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
