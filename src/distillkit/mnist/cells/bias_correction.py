"""Hinton's correction: biases of classes that the transfer set lacked, or had alone, shifted afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

GRID = [tenths / 10 for tenths in range(-200, 201)]
"""The shifts that are tried: −20 to 20 in steps of 0.1, as fine as the paper's 3.5 and 7.6."""


def shifted(logits: Tensor, classes: tuple[int, ...], shift: float) -> Tensor:
    """The logits with the same shift added to those of the classes.

    Example:
        >>> shifted(torch.zeros(1, 3), (1,), 2.0)
        tensor([[0., 2., 0.]])
    """
    result = logits.clone()
    result[:, list(classes)] += shift
    return result


def errors_by_shift(logits: Tensor, labels: Tensor, classes: tuple[int, ...]) -> list[int]:
    """The errors on labelled cases at every shift of the grid.

    Args:
        logits: `[cases, classes]`.
        labels: `[cases]`, int64.
        classes: Whose bias is shifted.

    Example:
        >>> errors = errors_by_shift(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), (1,))
        >>> errors[GRID.index(1.0)], errors[GRID.index(1.1)]
        (1, 0)
    """
    inside = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    inside[list(classes)] = True
    # a case is decided between the best of the classes and the best of the others; the shift moves only that
    best_inside, index_inside = logits[:, inside].max(dim=-1)
    best_outside, index_outside = logits[:, ~inside].max(dim=-1)
    class_inside = inside.nonzero().flatten()[index_inside]
    class_outside = (~inside).nonzero().flatten()[index_outside]
    errors = torch.stack(
        [
            (torch.where(best_inside + shift > best_outside, class_inside, class_outside) != labels).sum()
            for shift in GRID
        ]
    )
    return [int(count) for count in errors.tolist()]


def best_shift(errors: Sequence[int]) -> float:
    """The shift of the grid with the fewest errors; of several, the one nearest to 0.

    Args:
        errors: At every shift of the grid, as `errors_by_shift` gives them.

    Example:
        >>> logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> best_shift(errors_by_shift(logits, torch.tensor([1, 1]), (1,)))
        1.1
    """
    return min((shift for shift, count in zip(GRID, errors, strict=True) if count == min(errors)), key=abs)


def prior_matching_shift(logits: Tensor, classes: tuple[int, ...]) -> float:
    """The shift that gives the classes their share of the predicted mass, without a label.

    Found by bisection: the mean over the cases of the probability of the classes, at T = 1, becomes the
    number of the classes
    over the number of all classes, a uniform prior.

    Args:
        logits: `[cases, classes]`, of cases whose labels need not be known.
        classes: Whose bias is shifted.

    Example:
        >>> round(prior_matching_shift(torch.tensor([[1.0, 0.0]]), (1,)), 4)
        1.0
    """
    wanted = len(classes) / logits.shape[-1]
    precise = logits.double()
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        mass = shifted(precise, classes, middle).softmax(dim=-1)[:, list(classes)].sum(dim=-1).mean()
        low, high = (middle, high) if mass < wanted else (low, middle)
    return (low + high) / 2
