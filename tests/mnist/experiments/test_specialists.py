"""H14: specialists, their panel, and one net distilled from it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distillkit import Distiller
from distillkit.errors import ConfigurationError
from distillkit.losses import SoftTargets
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.mnist.experiments.specialists.dustbin import raise_dustbin, special_cases, specialist_of
from distillkit.mnist.experiments.specialists.measure import specialists
from distillkit.mnist.experiments.specialists.panel import Panel
from distillkit.mnist.experiments.specialists.solver import combine

Cases = tuple[Tensor, Tensor]


def test_a_specialist_begins_as_the_generalist(teacher: nn.Sequential, test: Cases) -> None:
    """Hidden layers and special rows are copies; where the others are alike the dustbin has their mass."""
    state = torch.random.get_rng_state()
    specialist = specialist_of(teacher, (3, 5))
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        own, whole = specialist(test[0]), teacher(test[0])
        assert torch.allclose(own[:, :2], whole[:, [3, 5]], atol=1e-5)
        alike = nn.Sequential(nn.Linear(4, 10))
        alike[0].weight[2:] = alike[0].weight[2]
        alike[0].bias[2:] = alike[0].bias[2]
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
        p, q = alike(x).softmax(dim=-1), specialist_of(alike, (0, 1))(x).softmax(dim=-1)
    assert torch.allclose(q, torch.cat([p[:, :2], p[:, 2:].sum(dim=-1, keepdim=True)], dim=-1), atol=1e-6)
    assert specialist[1].weight is not teacher[1].weight


def test_a_last_layer_of_another_kind_is_refused() -> None:
    """The report's code has a ReLU there."""
    with pytest.raises(ConfigurationError, match=r"must be nn\.Linear, got ReLU"):
        specialist_of(nn.Sequential(nn.Linear(4, 10), nn.ReLU()), (3, 5))


def test_a_specialist_for_everything_is_refused(
    teacher: nn.Sequential, recipe: Recipe, train: Cases, test: Cases
) -> None:
    """One cluster is no group."""
    with pytest.raises(ConfigurationError, match="for all 10 classes"):
        specialists(teacher, recipe, train, test, seed=0, specialist_epochs=1, epochs=1, clusters=1)


@pytest.mark.parametrize("group", [(0, 1), (0, 1, 2, 3, 4, 5, 6)])
def test_half_of_what_it_sees_is_special(train: Cases, group: tuple[int, ...]) -> None:
    """Labels are those of the images, each case once, the draw that of the seed."""
    (images, targets), correction = special_cases(train, group, seed=0)
    special = targets < len(group)
    assert int(special.sum()) == int((~special).sum())
    is_special = torch.isin(train[1], torch.tensor(group))
    assert int(special.sum()) == min(int(is_special.sum()), int((~is_special).sum()))
    by_image = {image.numpy().tobytes(): int(label) for image, label in zip(*train, strict=True)}
    for image, target in zip(images, targets.tolist(), strict=True):
        label = by_image.pop(image.numpy().tobytes())
        assert target == (group.index(label) if label in group else len(group))
    assert correction == pytest.approx(math.log(int((~is_special).sum()) / int(is_special.sum())))
    (_, again), _ = special_cases(train, group, seed=0)
    (other, _), _ = special_cases(train, group, seed=1)
    assert torch.equal(again, targets)
    assert other.shape == images.shape
    assert not torch.equal(other, images)


def test_the_correction_undoes_the_oversampling() -> None:
    """A specialist that knows its sample exactly says, once corrected, what Bayes says of all cases."""
    # ten kinds of images; classes 0 and 1 are special; counts of each class among each kind
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 60, (10, 4))
    labels = torch.from_numpy(np.repeat(np.tile(np.arange(4), 10), counts.ravel()))
    (_, targets), correction = special_cases((labels[:, None].float(), labels), (0, 1), seed=0)
    special, rest = counts[:, :2].sum(), counts[:, 2:].sum()
    smaller = min(special, rest)
    # what is expected of a sample in which both parts are of the same size
    seen = np.concatenate(
        [counts[:, :2] * smaller / special, counts[:, 2:].sum(axis=1, keepdims=True) * smaller / rest], axis=1
    )
    assert len(targets) == 2 * smaller
    network = nn.Sequential(nn.Linear(10, 3, dtype=torch.float64))
    with torch.no_grad():
        network[0].weight.copy_(torch.from_numpy(np.log(seen)).T)
        network[0].bias.zero_()
        raise_dustbin(network, correction)
        says = network(torch.eye(10, dtype=torch.float64)).softmax(dim=-1).numpy()
    truth = np.concatenate([counts[:, :2], counts[:, 2:].sum(axis=1, keepdims=True)], axis=1)
    assert np.allclose(says, truth / truth.sum(axis=1, keepdims=True))


def test_a_panel_asks_those_to_whom_the_best_class_is_special(teacher: nn.Sequential, test: Cases) -> None:
    """Its logits are log q; where nobody is asked the generalist speaks."""
    groups = [(0, 1, 2), (7, 9)]
    torch.manual_seed(0)
    members = [nn.Linear(784, 4), nn.Linear(784, 3)]
    panel = Panel(teacher, members, groups)
    with torch.no_grad():
        logits, said = teacher(test[0]), panel(test[0])
        best = logits.argmax(dim=-1)
        active = torch.stack([best <= 2, (best == 7) | (best == 9)], dim=-1)
        parts = [member(test[0]).double().softmax(dim=-1) for member in members]
    assert torch.equal(panel.active(logits), active)
    expected = combine(logits.double().softmax(dim=-1), parts, groups, active)
    assert torch.allclose(said.double().exp(), expected, atol=1e-6)
    alone = ~active.any(dim=-1)
    assert alone.any()
    assert torch.allclose(said[alone], logits[alone].log_softmax(dim=-1), atol=1e-4)
    assert said.dtype == torch.float32


def test_a_panel_is_a_teacher_like_any_other(teacher: nn.Sequential, train: Cases) -> None:
    """A Distiller learns from it without a warning, and it comes back as it was."""
    panel = Panel(teacher, [specialist_of(teacher, (4, 9))], [(4, 9)])
    before = [parameter.clone() for parameter in panel.parameters()]
    distiller = Distiller(teacher=panel, student=nn.Linear(784, 10), loss=SoftTargets(temperature=4))
    history = distiller.fit(train, epochs=3, batch_size=32)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    after = list(panel.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_whole_experiment_in_small(
    teacher: nn.Sequential, recipe: Recipe, train: Cases, test: Cases
) -> None:
    """Groups, corrections, counts and both nets; the generalist stays as it was; JSON takes it all."""
    before = [parameter.clone() for parameter in teacher.parameters()]

    def call() -> dict[str, object]:
        return specialists(
            teacher, recipe, train, test, seed=0, specialist_epochs=2, epochs=3, clusters=5
        ).numbers

    found = call()
    assert json.loads(json.dumps(found, allow_nan=False)) == found == call()
    groups, errors = found["groups"], found["test_errors"]
    assert isinstance(groups, list)
    assert isinstance(errors, dict)
    assert groups
    assert list(errors) == [
        "generalist",
        "trained_on",
        "uncorrected",
        "panel",
        "from_panel",
        "from_generalist",
    ]
    # a case is asked of one group or of none, and nothing but the asked cases changes
    mended = sum(one["generalist_errors"] - one["panel_errors"] for one in groups)
    assert errors["generalist"] - errors["panel"] == mended
    for one in groups:
        share = torch.isin(train[1], torch.tensor(one["classes"])).double().mean().item()
        assert one["correction"] == pytest.approx(math.log((1 - share) / share))
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))
    assert found["diverged"] is False
