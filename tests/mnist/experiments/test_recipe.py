"""How the students of an experiment are trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from distillkit.losses import HardLabels, SoftTargets
from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.recipe import Recipe, train_together

Cases = tuple[Tensor, Tensor]


def test_the_schedule_knows_how_many_updates_there_are(recipe: Recipe, train: Cases) -> None:
    """One that falls to 0 does so with the last of them, whatever the batch size and the epochs."""
    rates: list[float] = []
    distiller = recipe.distiller(loss=HardLabels(), seed=0, updates=recipe.updates(300, 2))
    distiller.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    distiller.fit(train, epochs=2, batch_size=32)
    assert len(rates) == recipe.updates(300, 2) == 20
    assert rates == pytest.approx([0.005 * (1 - update / 20) for update in range(20)])
    assert distiller.optimizer.param_groups[0]["lr"] == 0


def test_the_same_seed_gives_the_same_student_to_the_bit(
    recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential
) -> None:
    """And another seed another."""
    logits = []
    for seed in (0, 0, 1):
        distiller = recipe.distiller(loss=SoftTargets(temperature=4), seed=seed, updates=10, teacher=teacher)
        train_together([distiller], train, recipe, epochs=1)
        logits.append(distiller.logits(test[0]))
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_a_student_that_diverges_is_named_and_the_others_go_on(recipe: Recipe, train: Cases) -> None:
    """One with a learning rate of no use beside one that learns."""
    absurd = replace(recipe, training=type(recipe.training)(learning_rate=1e30))
    distillers = [each.distiller(loss=HardLabels(), seed=0, updates=20) for each in (absurd, recipe)]
    divergences = train_together(distillers, train, recipe, epochs=2)
    assert divergences[0] is not None
    assert divergences[1] is None


def test_answers_are_those_of_evaluation_and_leave_the_network_as_it_was() -> None:
    """In several batches, with a part in training and a part not."""
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    network[2].eval()
    inputs = torch.randn(4100, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network[2](network[0](inputs))
    assert torch.allclose(answers(network, inputs), expected, atol=1e-6)
    assert [part.training for part in network] == [True, True, False]
