"""Confusable classes: clusters of the covariance of a generalist's predictions (§5.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distillkit.errors import ConfigurationError

Floats = NDArray[np.float64]


def confusable_groups(probabilities: Tensor, clusters: int) -> list[tuple[int, ...]]:
    """Classes that are often predicted together, by K-means on the columns of the covariance.

    Each column is that of a class, divided by the standard deviations of both its classes, so that a class is
    not near another because both are rare. A class without company has no specialist, so clusters of one are
    left out.

    Args:
        probabilities: A generalist's predictions, `[cases, classes]`, rows of sum 1.
        clusters: K of K-means, at least 1 and at most the number of classes.

    Returns:
        The groups, each of at least two classes in ascending order, sorted by their first.

    Raises:
        ConfigurationError: There are fewer classes than clusters.

    Example:
        >>> import torch
        >>> four_or_nine = torch.tensor([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]])
        >>> confusable_groups(four_or_nine, clusters=2)
        [(0, 1)]

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §5.3 (there an on-line
        K-means on the covariance itself).
    """
    places = k_means(correlation(probabilities), clusters)
    groups = [tuple(np.flatnonzero(places == place).tolist()) for place in range(clusters)]
    return sorted(group for group in groups if len(group) > 1)


def correlation(probabilities: Tensor) -> Floats:
    """The covariance of the predicted probabilities over the standard deviations of both classes.

    Args:
        probabilities: `[cases, classes]`.

    Returns:
        `[classes, classes]`, in [−1, 1]; 0 for a class of always the same probability.

    Example:
        >>> import torch
        >>> correlation(torch.tensor([[0.8, 0.2], [0.4, 0.6]])).round(4).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    covariance = np.atleast_2d(np.cov(probabilities.double().cpu().numpy(), rowvar=False))
    deviations = np.sqrt(np.diagonal(covariance))
    scale = np.where(deviations > 0, deviations, 1.0)
    result: Floats = covariance / np.outer(scale, scale)
    return result


def k_means(points: Floats, clusters: int) -> NDArray[np.intp]:
    """The cluster of each point, in `[0, clusters)`: K-means without chance, for a few hundred points.

    It starts once from each point, the other centres each as far as can be from those before, and the start
    that ends with the least sum of squared distances wins.

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
    ends = [_from(points, start, clusters) for start in range(len(points))]
    return min(ends, key=lambda end: end[0])[1]


def _from(points: Floats, start: int, clusters: int) -> tuple[float, NDArray[np.intp]]:
    chosen = [start]
    while len(chosen) < clusters:
        chosen.append(int(_distances(points, points[chosen]).min(axis=1).argmax()))
    centres = points[chosen]
    places = np.full(len(points), -1, dtype=np.intp)
    while True:
        distances = _distances(points, centres)
        nearest = distances.argmin(axis=1)
        if np.array_equal(nearest, places):
            return float(distances.min(axis=1).sum()), places
        places = nearest
        centres = np.stack(
            [
                # a cluster that lost all its points stays where it was
                points[places == place].mean(axis=0) if (places == place).any() else centres[place]
                for place in range(clusters)
            ]
        )


def _distances(points: Floats, centres: Floats) -> Floats:
    result: Floats = ((points[:, None] - centres[None]) ** 2).sum(axis=-1)
    return result
