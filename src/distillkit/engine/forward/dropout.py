"""Dropout with cheap random numbers on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from distillkit.engine.torch_internals import is_compiled

_LEVELS = 1 << 16
"""A unit is kept where a random whole number of 16 bits is below the kept share of these levels."""


def dropout_mask(like: Tensor, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Return the factors of dropout: 0 where a unit is dropped, 1 / (share kept) elsewhere; shape of `like`.

    Torch draws a float for each unit. Drawing four units of 16 bits from each 64-bit number takes a fifth of
    that time. The share kept is a multiple of 1/65536, and the factor is its inverse, so the expected value
    is exact.

    Args:
        like: Any shape and floating dtype.
        rate: Share of the units that are dropped, in [0, 1).
        generator: The source of random numbers; torch's own of the CPU where none is given.
    """
    kept = max(1, round((1 - rate) * _LEVELS))
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64)
    # None is 2^63: all 64 bits are random
    words.random_(-(2**63), None, generator=generator)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    # not "<": its right side would be 2^15 where every unit is kept, which 16 bits do not hold; not a mask of
    # booleans, whose conversion takes five times as long
    return torch.le(bits, kept - 1 - _LEVELS // 2, out=mask).mul_(_LEVELS / kept)


def plain_dropouts(module: nn.Module, device: torch.device) -> tuple[nn.Dropout, ...]:
    """Return the parts of `module` whose masks `dropout_mask` can draw: torch's dropout of units, on a CPU.

    Dropout by another class or by a function is left out, and so is one that has its own `forward` or works
    in place. Of a module that is compiled, in part or whole, no part is returned.
    """
    if device.type != "cpu" or is_compiled(module):
        return ()
    return tuple(
        part
        for part in module.modules()
        if type(part) is nn.Dropout and not part.inplace and "forward" not in vars(part)
    )


@contextmanager
def cheap_masks(parts: Sequence[nn.Dropout]) -> Iterator[None]:
    """Let `parts` draw their masks by `dropout_mask` for a while."""
    for part in parts:
        # set on the object, which hides its class's; mypy allows no method to be set
        part.forward = partial(_dropped, part)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _dropped(part: nn.Dropout, inputs: Tensor) -> Tensor:
    if not part.training or part.p == 0:
        return inputs
    return inputs * dropout_mask(inputs, part.p) if part.p < 1 else torch.zeros_like(inputs)
