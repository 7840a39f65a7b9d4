"""Other examples that an example is told from."""

from __future__ import annotations

from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional.counter_random import random_integers


def draw_negatives(
    *, numbers: Tensor, candidates: Tensor, labels: Tensor | None, most: int, seed: int, draw: int
) -> tuple[Tensor, Tensor, int]:
    """Equally many examples of other classes for each of a batch, none twice.

    The candidates are put into an order that follows from seed, draw and their numbers alone, the same on
    every device, and each example takes the first that are none of its class. So its own are a uniform choice
    of all that it could have, whatever else is in the batch, and those of one class have the same.

    Args:
        numbers: Of the batch's examples, `[batch]`, int64.
        candidates: Numbers of the examples to draw from, `[candidates]`, without repeats.
        labels: Classes of all examples by number, `[examples]`; `None` where each is a class of its own.
        most: Examples for each of the batch, ≥ 1; fewer where the candidates are.
        seed: Of the draws.
        draw: Which one, from 0.

    Returns:
        Numbers of examples, `[drawn]`; which of these are for each of the batch, `[batch, drawn]`, bool; and
        how many each has.

    Raises:
        ConfigurationError: All candidates are of one class; or there is no class for each example.

    Example:
        >>> import torch
        >>> numbers, labels = torch.tensor([0, 4]), torch.tensor([0, 0, 0, 0, 1, 1])
        >>> drawn, which, count = draw_negatives(
        ...     numbers=numbers, candidates=torch.arange(6), labels=labels, most=9, seed=0, draw=0)
        >>> count, sorted(drawn[which[0]].tolist())
        (2, [4, 5])
    """
    if labels is not None and labels.dim() != 1:
        raise ConfigurationError(
            f"Negatives of other classes need one class an example, and the labels are {list(labels.shape)}: "
            "draw from all other examples (other_classes=False)."
        )
    alike = 1 if labels is None else _largest_class(labels[candidates])
    count = min(most, len(candidates) - alike)
    if count < 1:
        raise ConfigurationError(
            f"An example is told from others, and these {len(candidates)} are all of one class: give "
            "examples of several, or draw from all other examples (other_classes=False)."
        )
    # among so many at most `alike` are none of its negatives
    keys = random_integers(candidates, low=0, high=2**53 - 1, seed=seed, epoch=draw, stream=3)
    drawn = candidates[keys.argsort()[: count + alike]]
    own, theirs = (numbers, drawn) if labels is None else (labels[numbers], labels[drawn])
    differs = own.unsqueeze(1) != theirs
    return drawn, differs & (differs.cumsum(dim=1) <= count), count


def _largest_class(labels: Tensor) -> int:
    return int((labels - labels.min()).bincount().max())
