"""H14: the q that minimises the sum of divergences, held against three other ways to find it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax
from torch import Tensor

from distillkit.mnist.experiments.specialists.solver import combine, divergences

Groups = Sequence[tuple[int, ...]]


def some(seed: int, classes: int, groups: Groups, cases: int = 1) -> tuple[Tensor, list[Tensor]]:
    """Distributions of a generalist and of specialists that need not agree."""
    generator = torch.Generator().manual_seed(seed)

    def draw(width: int) -> Tensor:
        return (2 * torch.randn(cases, width, generator=generator, dtype=torch.float64)).softmax(dim=-1)

    return draw(classes), [draw(len(group) + 1) for group in groups]


def slow_sum(q: np.ndarray, p_g: np.ndarray, p_ms: Sequence[np.ndarray], groups: Groups) -> float:
    """KL(p_g ‖ q) + Σ_m KL(p_m ‖ q) of one case, written out."""
    total = sum(p * np.log(p / own) for p, own in zip(p_g, q, strict=True))
    for p_m, group in zip(p_ms, groups, strict=True):
        for place, number in enumerate(group):
            total += p_m[place] * np.log(p_m[place] / q[number])
        rest = sum(own for number, own in enumerate(q) if number not in group)
        total += p_m[-1] * np.log(p_m[-1] / rest)
    return float(total)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "groups", [[(0, 1)], [(0, 1), (2, 3, 4)], [(0, 1), (1, 2), (1, 3, 5)], [(4,), (0, 1, 2, 3, 5)]]
)
def test_it_is_what_scipy_finds(seed: int, groups: Groups) -> None:
    """Over the logits of q, with apart and overlapping groups; and no lower sum exists nearby."""
    p_g, p_ms = some(seed, 6, groups)
    q = combine(p_g, p_ms, groups, torch.ones(1, len(groups), dtype=torch.bool))
    arrays = p_g[0].numpy(), [p_m[0].numpy() for p_m in p_ms]
    found = minimize(
        lambda z: slow_sum(softmax(z), *arrays, groups), np.zeros(6), method="BFGS", options={"gtol": 1e-9}
    )
    assert np.allclose(q[0].numpy(), softmax(found.x), atol=1e-6)
    assert slow_sum(q[0].numpy(), *arrays, groups) <= found.fun + 1e-9
    assert q.sum().item() == pytest.approx(1, abs=1e-12)


def test_no_point_of_a_fine_grid_is_lower() -> None:
    """Three classes, two specialists that contradict each other, 125,000 points."""
    groups = [(0,), (1, 2)]
    p_g, p_ms = some(7, 3, groups)
    active = torch.ones(1, 2, dtype=torch.bool)
    q = combine(p_g, p_ms, groups, active)
    steps = 500
    first, second = torch.meshgrid(torch.arange(1, steps), torch.arange(1, steps), indexing="ij")
    inside = first + second < steps
    grid = torch.stack([first[inside], second[inside], (steps - first - second)[inside]], dim=-1) / steps
    sums = divergences(
        grid.double(), p_g.expand(len(grid), -1), [p_m.expand(len(grid), -1) for p_m in p_ms], groups,
        active.expand(len(grid), -1),
    )  # fmt: skip
    assert divergences(q, p_g, p_ms, groups, active).item() <= sums.min().item()
    assert torch.allclose(grid[sums.argmin()].double(), q[0], atol=1.5 / steps)


def test_without_an_active_specialist_it_is_the_generalist() -> None:
    """To the bit, whatever the silent ones say."""
    p_g, p_ms = some(0, 5, [(0, 1)], cases=3)
    active = torch.tensor([[False], [True], [False]])
    q = combine(p_g, p_ms, [(0, 1)], active)
    assert torch.equal(q[[0, 2]], p_g[[0, 2]])
    assert not torch.allclose(q[1], p_g[1])
    assert torch.equal(combine(p_g, [], [], torch.zeros(3, 0, dtype=torch.bool)), p_g)


def test_with_one_specialist_it_is_the_closed_form() -> None:
    """Special classes and dustbin at the mean of both; within the dustbin as the generalist has them."""
    group = (1, 3)
    p_g, (p_m,) = some(2, 5, [group], cases=20)
    q = combine(p_g, [p_m], [group], torch.ones(20, 1, dtype=torch.bool))
    others = [0, 2, 4]
    assert torch.allclose(q[:, list(group)], (p_g[:, list(group)] + p_m[:, :-1]) / 2)
    mass = p_g[:, others].sum(dim=-1, keepdim=True)
    assert torch.allclose(q[:, others], p_g[:, others] / mass * (mass + p_m[:, -1:]) / 2)


def test_specialists_that_agree_change_nothing() -> None:
    """Where each says what the generalist says of its classes, the sum is 0 at p_g."""
    groups = [(0, 1), (1, 2, 4)]
    p_g, _ = some(3, 6, groups, cases=4)
    p_ms = [
        torch.cat([p_g[:, list(group)], 1 - p_g[:, list(group)].sum(dim=-1, keepdim=True)], dim=-1)
        for group in groups
    ]
    active = torch.ones(4, 2, dtype=torch.bool)
    assert torch.allclose(combine(p_g, p_ms, groups, active), p_g, atol=1e-12)
    assert torch.allclose(divergences(p_g, p_g, p_ms, groups, active), torch.zeros(4, dtype=torch.float64))


def test_no_step_raises_the_sum() -> None:
    """As expectation maximisation promises; and the steps of the default are enough for nine specialists."""
    groups = [(number, (number + 1) % 10) for number in range(9)]
    p_g, p_ms = some(4, 10, groups, cases=50)
    active = torch.ones(50, 9, dtype=torch.bool)
    sums = torch.stack(
        [
            divergences(combine(p_g, p_ms, groups, active, steps=steps), p_g, p_ms, groups, active)
            for steps in range(12)
        ]
    )
    assert (sums.diff(dim=0) <= 1e-12).all()
    assert torch.allclose(
        combine(p_g, p_ms, groups, active), combine(p_g, p_ms, groups, active, steps=2000), atol=1e-8
    )


def test_a_case_does_not_depend_on_those_beside_it() -> None:
    """So that a teacher's kept answers are those it would give again."""
    groups = [(0, 1), (2, 3)]
    p_g, p_ms = some(5, 6, groups, cases=8)
    active = torch.tensor([[True, False], [True, True]]).repeat(4, 1)
    whole = combine(p_g, p_ms, groups, active)
    alone = torch.cat([combine(p_g[[n]], [p_m[[n]] for p_m in p_ms], groups, active[[n]]) for n in range(8)])
    assert torch.allclose(whole, alone, atol=1e-14)
