"""A specialist: the generalist's network with the other classes in one dustbin (§5.2)."""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.mnist.experiments.recipe import Cases


def specialist_of(generalist: nn.Sequential, group: tuple[int, ...]) -> nn.Sequential:
    """A copy of the generalist whose last layer knows the special classes and, as its last, the dustbin.

    The special classes keep their weights. The dustbin gets the mean weights of the others, and their mean
    bias plus the log of their number: were they all alike, it would have just their probability.

    Args:
        generalist: A network whose last layer is `nn.Linear`, of more classes than the group has.
        group: The special classes.

    Raises:
        ConfigurationError: The last layer is another, or no class is left for the dustbin.

    Example:
        >>> generalist = nn.Sequential(nn.Linear(4, 10))
        >>> specialist_of(generalist, (3, 5, 8))(torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """
    last = generalist[-1]
    if not isinstance(last, nn.Linear):
        raise ConfigurationError(
            f"A specialist replaces the last layer, which must be nn.Linear, got {type(last).__name__}: use "
            "a protocol without a ReLU on the logits."
        )
    special = list(group)
    others = [number for number in range(last.out_features) if number not in special]
    if not others:
        raise ConfigurationError(
            f"A specialist for all {last.out_features} classes has an empty dustbin: ask for more clusters."
        )
    specialist = deepcopy(generalist)
    # no initial values, which would be drawn from the caller's randomness
    layer = nn.Linear(last.in_features, len(special) + 1, device="meta").to_empty(device=last.weight.device)
    with torch.no_grad():
        layer.weight.copy_(torch.cat([last.weight[special], last.weight[others].mean(0, keepdim=True)]))
        dustbin = last.bias[others].mean(0, keepdim=True) + math.log(len(others))
        layer.bias.copy_(torch.cat([last.bias[special], dustbin]))
    specialist[-1] = layer
    return specialist


def special_cases(train: Cases, group: tuple[int, ...], seed: int) -> tuple[Cases, float]:
    """Return the cases of a specialist, half special and half drawn from the rest, and its correction.

    Args:
        train: All training cases.
        group: The special classes.
        seed: Of the draw. Of the larger part as many cases are drawn as the smaller has.

    Returns:
        The images with labels 0 to n − 1 for the special classes and n for the dustbin; and the log of how
        many times over the special cases are sampled, by which the dustbin's logit is to be raised.

    Example:
        >>> labels = torch.tensor([0, 1, 2, 2, 2, 2, 2, 2])
        >>> (images, targets), correction = special_cases((torch.zeros(8, 4), labels), (0, 1), seed=0)
        >>> targets.tolist(), round(correction, 4)  # log 3: 2 of 8 are special, and half of those seen
        ([0, 1, 2, 2], 1.0986)
    """
    images, labels = train
    targets = torch.full_like(labels, len(group))
    for place, label in enumerate(group):
        targets[labels == label] = place
    special, rest = (numbers.nonzero().flatten() for numbers in (targets < len(group), targets == len(group)))
    count = min(len(special), len(rest))
    generator = torch.Generator().manual_seed(seed)
    drawn = [part[_some(len(part), count, generator).to(part.device)] for part in (special, rest)]
    numbers = torch.cat(drawn).sort().values
    return (images[numbers], targets[numbers]), math.log(len(rest) / len(special))


def raise_dustbin(specialist: nn.Sequential, correction: float) -> None:
    """Raise the dustbin's logit, in place.

    Args:
        specialist: As `specialist_of` makes it.
        correction: As `special_cases` gives it.

    Example:
        >>> specialist = specialist_of(nn.Sequential(nn.Linear(4, 10)), (3, 5))
        >>> before = specialist(torch.zeros(1, 4))
        >>> raise_dustbin(specialist, 1.5)
        >>> (specialist(torch.zeros(1, 4)) - before).detach().round(decimals=4)
        tensor([[0.0000, 0.0000, 1.5000]])
    """
    last = specialist[-1]
    assert isinstance(last, nn.Linear)  # noqa: S101 - `specialist_of` made it
    with torch.no_grad():
        last.bias[-1] += correction


def _some(size: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(size, generator=generator)[:count]
