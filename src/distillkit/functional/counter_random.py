"""Random numbers that depend on nothing but a seed, an epoch and the number of an example."""

from __future__ import annotations

from torch import Tensor

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as a signed 64-bit integer
_FIRST = -4658895280553007687  # splitmix64's multipliers, signed
_SECOND = -7723592293110705685
_WORD = 1 << 64


def random_integers(
    indices: Tensor, *, low: int, high: int, seed: int, epoch: int, stream: int = 0
) -> Tensor:
    """One integer an example, uniform in `[low, high]`; the same on every device and in any batch.

    A counter-based generator (splitmix64's finaliser over seed, epoch, stream and index): no state, so no
    batch size, worker or order of the data changes what an example gets.

    Args:
        indices: Numbers of the examples in their data set, `[batch]`, whole numbers.
        low: Smallest value.
        high: Largest value, ≥ `low`, at most 2^53 values in all.
        seed: Seed of the view.
        epoch: Epoch, from 0.
        stream: Tells apart the numbers that one example needs in one epoch.

    Returns:
        `[batch]`, int64.

    Example:
        >>> import torch
        >>> draw = random_integers(torch.arange(6), low=-2, high=2, seed=0, epoch=0)
        >>> bool((draw.abs() <= 2).all()), torch.equal(draw[3:], random_integers(
        ...     torch.arange(3, 6), low=-2, high=2, seed=0, epoch=0))
        (True, True)
    """
    # what all examples have in common is mixed once, in whole numbers of Python
    state = seed % _WORD
    for counter in (epoch, stream):
        state = _mixed(state + _GOLDEN * (counter + 1))
    mixed = _mix(indices.long() * _GOLDEN + _signed(state))
    return low + _shift_right(mixed, 11) % (high - low + 1)


def _mixed(state: int) -> int:
    """`_mix` of one number, in [0, 2^64)."""
    state %= _WORD
    state = (state ^ (state >> 30)) * _FIRST % _WORD
    state = (state ^ (state >> 27)) * _SECOND % _WORD
    return state ^ (state >> 31)


def _mix(state: Tensor) -> Tensor:
    state = (state ^ _shift_right(state, 30)) * _FIRST
    state = (state ^ _shift_right(state, 27)) * _SECOND
    return state ^ _shift_right(state, 31)


def _shift_right(state: Tensor, bits: int) -> Tensor:
    """Logical shift: torch's `>>` on int64 copies the sign bit."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return (value + _WORD // 2) % _WORD - _WORD // 2
