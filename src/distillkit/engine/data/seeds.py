"""Seeds: the order of an epoch, and torch's random numbers for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from distillkit.functional import random_integers


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch, in [0, 2^53)."""
    draw = random_integers(
        torch.zeros(1, dtype=torch.int64), low=0, high=2**53 - 1, seed=seed, epoch=epoch, stream=7
    )
    return int(draw)


def epoch_order(selected: Tensor, seed: int, epoch: int) -> Tensor:
    """Return the selected examples in the order of an epoch.

    It depends on the arguments alone: on no device, no worker and nothing that ran before.

    Args:
        selected: Numbers of the examples, `[n]`, int64.
        seed: The training's seed.
        epoch: Epoch, from 0.
    """
    generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
    return selected[torch.randperm(len(selected), generator=generator)]


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators of the CPU and of `device` for a while, then restore the caller's state."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        # not by torch.manual_seed(), which seeds every device that there is
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
