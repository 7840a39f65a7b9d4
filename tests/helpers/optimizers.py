"""Optimisers of the tests."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.SGD:
    """SGD whose momentum shows when a step is left out."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
