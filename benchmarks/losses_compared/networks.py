"""The two networks that are compared with: of one plan, and layers of one name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

TEACHER_CHANNELS = (32, 64, 192)
STUDENT_CHANNELS = (16, 32, 64)
STAGES = {"stage*": "stage*"}
"""The ends of all stages, student's to teacher's, as the layers of a loss."""
BEFORE_RELU = {"stage*.norm": "stage*.norm"}
"""The same before their ReLUs."""
POOLED = {"flat": "flat"}
"""What the logits are made of, `[batch, channels]`."""


def network(channels: Sequence[int], seed: int) -> nn.Sequential:
    """Three stages that each halve the image, an average over positions, and logits of ten classes.

    A stage is a 3 × 3 convolution of stride 2, batch normalisation and a ReLU.

    Args:
        channels: Of each stage.
        seed: Of the initial values.

    Returns:
        Logits of `[batch, 1, height, width]`.

    Example:
        >>> [sum(one.numel() for one in network(each, 0).parameters()) for each in (
        ...     TEACHER_CHANNELS, STUDENT_CHANNELS)]
        [131818, 24058]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = nn.Sequential()
        for number, (before, after) in enumerate(zip((1, *channels), channels, strict=False), start=1):
            made.add_module(f"stage{number}", _stage(before, after))
        made.add_module("pool", nn.AdaptiveAvgPool2d(1))
        made.add_module("flat", nn.Flatten())
        made.add_module("head", nn.Linear(channels[-1], 10))
    return made


def _stage(before: int, after: int) -> nn.Sequential:
    stage = nn.Sequential()
    stage.add_module("conv", nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False))
    stage.add_module("norm", nn.BatchNorm2d(after))
    stage.add_module("relu", nn.ReLU())
    return stage
