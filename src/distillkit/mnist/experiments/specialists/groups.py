"""Confusable classes: clusters of the covariance of a generalist's predictions (§5.3)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distillkit.errors import ConfigurationError

Floats = NDArray[np.float64]


def confusable_groups(probabilities: Tensor, clusters: int) -> list[tuple[int, ...]]:
    """Classes that are often predicted together, by K-means on the columns of their `affinity`.

    A class without company has no specialist, so clusters of one are left out.

    Args:
        probabilities: A generalist's predictions, `[cases, classes]`, each > 0, rows of sum 1.
        clusters: K of K-means, at least 1 and at most the number of classes.

    Returns:
        The groups, each of at least two classes in ascending order, sorted by their first.

    Raises:
        ConfigurationError: There are fewer classes than clusters.

    Example:
        >>> import torch
        >>> four_or_nine = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
        >>> confusable_groups(four_or_nine, clusters=2)
        [(0, 1)]

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §5.3 (there an on-line
        K-means on the covariance itself).
    """
    places = k_means(affinity(probabilities), clusters)
    groups = [tuple(np.flatnonzero(places == place).tolist()) for place in range(clusters)]
    return sorted(group for group in groups if len(group) > 1)


def affinity(probabilities: Tensor) -> Floats:
    """How far classes are predicted together: E[p_i p_j] / √(E[p_i²] E[p_j²]) over the cases.

    That is their covariance about 0 and not about the means. With the paper's 15,000 classes the two are the
    same; with ten, the product of the means would say more of how frequent two classes are than of how often
    one is taken for the other.

    Args:
        probabilities: `[cases, classes]`, each > 0.

    Returns:
        `[classes, classes]`, in [0, 1], 1 on the diagonal.

    Example:
        >>> import torch
        >>> affinity(torch.tensor([[0.8, 0.2], [0.2, 0.8]])).round(4).tolist()
        [[1.0, 0.4706], [0.4706, 1.0]]
    """
    p = probabilities.double().cpu().numpy()
    lengths = np.linalg.norm(p, axis=0)
    result: Floats = p.T @ p / np.outer(lengths, lengths)
    return result


def k_means(points: Floats, clusters: int) -> NDArray[np.intp]:
    """The cluster of each point, in `[0, clusters)`: K-means without chance, for a few dozen points.

    Points are moved one by one to where the sum of squared distances from the clusters' means is least
    (Hartigan's rule: those means move with the point, which matters where most points are equally far from
    each other, as classes are). It starts from each pair of points, the other centres each as far as can be
    from those before, and the best end wins.

    Args:
        points: `[points, dimensions]`.
        clusters: At least 1, at most the number of points.

    Raises:
        ConfigurationError: There are fewer points than clusters.

    Example:
        >>> k_means(np.asarray([[0.0], [0.1], [5.0]]), 2).tolist()
        [0, 0, 1]
    """
    if not 1 <= clusters <= len(points):
        raise ConfigurationError(f"clusters must be from 1 to {len(points)}, got {clusters}.")
    first = combinations(range(len(points)), min(2, clusters))
    ends = [_settled(points, _spread_out(points, start, clusters)) for start in first]
    return min(ends, key=lambda places: _sum_of_squares(points, places))


def _spread_out(points: Floats, start: tuple[int, ...], clusters: int) -> NDArray[np.intp]:
    """The nearest of centres that are far from each other."""
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    chosen = list(start)
    while len(chosen) < clusters:
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    nearest: NDArray[np.intp] = distances[:, chosen].argmin(axis=1)
    return nearest


def _settled(points: Floats, places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Moved point by point until no move lowers the sum of squares."""
    places = places.copy()
    moved = True
    while moved:
        moved = False
        for number, place in enumerate(places):
            costs = [_cost(points, places, number, other) for other in range(int(places.max()) + 1)]
            if min(costs) < costs[place] - 1e-12:
                places[number] = int(np.argmin(costs))
                moved = True
    return places


def _cost(points: Floats, places: NDArray[np.intp], number: int, place: int) -> float:
    """Return how much a point adds to the sum of squares of a cluster."""
    others = places == place
    others[number] = False
    size = int(others.sum())
    if size == 0:
        return 0.0
    return float(size / (size + 1) * ((points[number] - points[others].mean(axis=0)) ** 2).sum())


def _sum_of_squares(points: Floats, places: NDArray[np.intp]) -> float:
    return sum(
        float(((part - part.mean(axis=0)) ** 2).sum())
        for part in (points[places == place] for place in set(places.tolist()))
    )
