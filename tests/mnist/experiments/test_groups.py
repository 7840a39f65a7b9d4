"""H14: confusable classes by K-means on what is predicted together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.mnist.experiments.specialists.groups import affinity, confusable_groups, k_means


def partitions(points: int, clusters: int) -> Iterator[list[int]]:
    """Every way to put the points into at most so many clusters."""

    def grow(places: list[int]) -> Iterator[list[int]]:
        if len(places) == points:
            yield places
            return
        for place in range(min(max(places, default=-1) + 2, clusters)):
            yield from grow([*places, place])

    return grow([])


def spread(points: np.ndarray, places: list[int]) -> float:
    """The sum of squared distances from the means of the clusters."""
    parts = [points[np.asarray(places) == place] for place in set(places)]
    return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clusters", [1, 2, 3, 4])
def test_k_means_finds_the_best_of_all_partitions(seed: int, clusters: int) -> None:
    """Of eight points in three clumps, held against every partition."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(8, 3)) + 4 * generator.integers(0, 3, (8, 1))
    best = min(spread(points, places) for places in partitions(8, clusters))
    found = k_means(points, clusters)
    assert spread(points, found.tolist()) == pytest.approx(best, rel=1e-9)
    assert k_means(points, clusters).tolist() == found.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_k_means_finds_the_best_among_points_that_are_all_about_equally_far(seed: int) -> None:
    """As the columns of classes are: the unit matrix and a little more."""
    generator = np.random.default_rng(seed)
    little = 0.05 * generator.random((8, 8))
    points = np.eye(8) + little + little.T
    best = min(spread(points, places) for places in partitions(8, 3))
    assert spread(points, k_means(points, 3).tolist()) == pytest.approx(best, rel=1e-9)


def test_as_many_clusters_as_points_leave_each_alone() -> None:
    """And more are refused."""
    points = np.arange(4.0)[:, None]
    assert sorted(k_means(points, 4).tolist()) == [0, 1, 2, 3]
    with pytest.raises(ConfigurationError, match="from 1 to 4"):
        k_means(points, 5)


def test_affinity_is_the_cosine_of_two_classes_probabilities() -> None:
    """Held against a slow double loop; where means are 0 it is numpy's correlation."""
    p = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).softmax(dim=-1).double()
    found = affinity(p)
    for i in range(4):
        for j in range(4):
            product = sum(float(case[i] * case[j]) for case in p)
            squares = [sum(float(case[k]) ** 2 for case in p) for k in (i, j)]
            assert found[i, j] == pytest.approx(product / np.sqrt(np.prod(squares)))
    centred = p - p.mean(dim=0)
    assert np.allclose(affinity(centred), np.corrcoef(p.numpy(), rowvar=False))


@pytest.mark.parametrize("rare", [1.0, 0.2])
def test_classes_that_are_taken_for_each_other_are_a_group(rare: float) -> None:
    """4 and 9, and 3, 5 and 8, share their cases' probability; also where some classes are seldom seen."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.multinomial(
        torch.tensor([1.0, rare, 1, 1, rare, 1, 1, 1, 1, 1]), 4000, replacement=True, generator=generator
    )
    logits = torch.randn(4000, 10, generator=generator)
    for group in ((4, 9), (3, 5, 8)):
        of_the_group = torch.isin(labels, torch.tensor(group))
        logits[:, list(group)] += 5 * of_the_group[:, None]
    logits[torch.arange(4000), labels] = 6
    groups = confusable_groups(logits.softmax(dim=-1), clusters=7)
    assert groups == [(3, 5, 8), (4, 9)]
