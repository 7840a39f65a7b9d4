"""The whole of H14: find the groups, train the specialists, ask them, and distil them back into one net."""

from __future__ import annotations

from copy import deepcopy

from torch import nn

from distillkit import metrics
from distillkit.errors import DivergenceError
from distillkit.losses import HardLabels, hinton
from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.measured import Measured, predicted
from distillkit.mnist.experiments.recipe import Cases, Recipe, train_together
from distillkit.mnist.experiments.specialists.dustbin import raise_dustbin, special_cases, specialist_of
from distillkit.mnist.experiments.specialists.groups import affinity, confusable_groups
from distillkit.mnist.experiments.specialists.panel import Panel


def specialists(
    generalist: nn.Sequential,
    recipe: Recipe,
    train: Cases,
    test: Cases,
    *,
    seed: int,
    specialist_epochs: int,
    epochs: int,
    clusters: int = 4,
    temperature: float = 4.0,
    hard_label_weight: float = 0.1,
) -> Measured:
    """Specialists for a generalist's confusable classes, what they mend, and one net distilled from them all.

    Two others stand beside them: the generalist trained on for as many passes, since more training helps by
    itself; and a net distilled from the generalist alone, since distillation does.

    Args:
        generalist: Trained; its last layer is `nn.Linear`. One that errs on its training cases, or the
            specialists have nothing to learn there.
        recipe: How the two nets are distilled and, but for its network, how the specialists are trained.
        train: All training cases.
        test: What the errors are counted on.
        seed: Of the specialists' cases, of the nets' initial values, and of all orders.
        specialist_epochs: Passes of each specialist over its cases, and of the generalist that is trained on.
        epochs: Passes of the two nets over `train`.
        clusters: K of K-means.
        temperature: T of the soft targets.
        hard_label_weight: Of the hard labels beside them, in [0, 1].

    Returns:
        `seed`, `cases`; `affinity`, `[class][class]`, of the generalist's predictions on the training
        images; `groups`, for each its `classes`, the `cases` it learns from, its `correction`, the test cases
        on which it is `asked`, and on these `generalist_errors` and `panel_errors`; and test errors of
        `generalist`, `trained_on`, `uncorrected` (the panel with the dustbins as trained), `panel`,
        `from_panel` and `from_generalist` (the two nets), under `test_errors`; and `diverged`, of any. And
        what each of these predicts.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §5.
    """
    probabilities = answers(generalist, train[0]).softmax(dim=-1)
    groups = confusable_groups(probabilities, clusters)
    trained, cases, corrections, diverged = [], [], [], []
    for group in groups:
        specialist = specialist_of(generalist, group)
        part, correction = special_cases(train, group, seed)
        diverged.append(_train_on(specialist, recipe, part, seed, specialist_epochs))
        trained.append(specialist)
        cases.append(len(part[1]))
        corrections.append(correction)
    trained_on = deepcopy(generalist)
    diverged.append(_train_on(trained_on, recipe, train, seed, specialist_epochs))
    panel = Panel(generalist, trained, groups)
    uncorrected = answers(panel, test[0])
    for specialist, correction in zip(trained, corrections, strict=True):
        raise_dustbin(specialist, correction)
    alone, together = answers(generalist, test[0]), answers(panel, test[0])
    nets = [
        recipe.distiller(
            loss=hinton(temperature, hard_label_weight),
            seed=seed,
            updates=recipe.updates(len(train[1]), epochs),
            teacher=teacher,
        )
        for teacher in (panel, generalist)
    ]
    diverged += train_together(nets, train, recipe, epochs=epochs)
    said = {
        "generalist": alone,
        "trained_on": answers(trained_on, test[0]),
        "uncorrected": uncorrected,
        "panel": together,
        "from_panel": nets[0].logits(test[0]),
        "from_generalist": nets[1].logits(test[0]),
    }
    asked = panel.active(alone)
    numbers = {
        "seed": seed,
        "cases": len(test[1]),
        "affinity": affinity(probabilities).tolist(),
        "groups": [
            {
                "classes": list(group),
                "cases": cases[place],
                "correction": corrections[place],
                "asked": int(asked[:, place].sum()),
                "generalist_errors": metrics.test_errors(alone[asked[:, place]], test[1][asked[:, place]]),
                "panel_errors": metrics.test_errors(together[asked[:, place]], test[1][asked[:, place]]),
            }
            for place, group in enumerate(groups)
        ],
        "test_errors": {name: metrics.test_errors(logits, test[1]) for name, logits in said.items()},
        "diverged": any(one is not None for one in diverged),
    }
    return Measured(numbers, {name: predicted(logits) for name, logits in said.items()})


def _train_on(
    network: nn.Sequential, recipe: Recipe, cases: Cases, seed: int, epochs: int
) -> DivergenceError | None:
    distiller = recipe.distiller(
        loss=HardLabels(), seed=seed, updates=recipe.updates(len(cases[1]), epochs), student=network
    )
    return train_together([distiller], cases, recipe, epochs=epochs)[0]
