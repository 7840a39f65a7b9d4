"""Counter-based random integers: uniform, independent, and those of a reference in Python's own integers."""

from __future__ import annotations

import itertools

import pytest
import scipy.stats
import torch

from distillkit.functional import random_integers

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # the increment and the multipliers of splitmix64
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mixed(state: int) -> int:
    """splitmix64's finaliser in Python's unbounded integers."""
    state = ((state ^ (state >> 30)) * FIRST) & MASK
    state = ((state ^ (state >> 27)) * SECOND) & MASK
    return state ^ (state >> 31)


def reference(index: int, low: int, high: int, seed: int, epoch: int, stream: int) -> int:
    """One draw, in Python's unbounded integers."""
    state = seed & MASK
    for counter in (epoch, stream):
        state = mixed((state + GOLDEN * (counter + 1)) & MASK)
    state = mixed((state + index * GOLDEN) & MASK)
    return low + (state >> 11) % (high - low + 1)


def draws(count: int = 20_000, **settings: int) -> torch.Tensor:
    """Draws in [0, 99] of consecutive examples."""
    return random_integers(torch.arange(count), **{"low": 0, "high": 99, "seed": 0, "epoch": 0, **settings})


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Pearson's correlation of two rows of draws."""
    return torch.corrcoef(torch.stack([one, other]).double())[0, 1].item()


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**63 - 1])
@pytest.mark.parametrize("epoch", [0, 3, 2999])
@pytest.mark.parametrize("stream", [0, 1, 7])
def test_equals_a_reference_in_python_integers(seed: int, epoch: int, stream: int) -> None:
    """Signed 64-bit tensor arithmetic gives what Python's unbounded integers give, modulo 2^64."""
    indices = [0, 1, 2, 59_999, 2**31, 2**40 + 3, 2**62]
    for low, high in [(-2, 2), (0, 0), (0, 2**53 - 1)]:
        found = random_integers(
            torch.tensor(indices), low=low, high=high, seed=seed, epoch=epoch, stream=stream
        )
        assert found.tolist() == [reference(i, low, high, seed, epoch, stream) for i in indices]


def test_known_stream_of_splitmix64() -> None:
    """The finaliser is the published splitmix64: from the seed 1234567 it gives the known numbers."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [mixed((1234567 + n * GOLDEN) & MASK) for n in (1, 2, 3)] == published


def test_every_value_of_the_range_and_no_other() -> None:
    """Both ends are included, and nothing lies beyond them."""
    assert draws(low=-2, high=2).unique().tolist() == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize("settings", [{}, {"epoch": 1}, {"seed": 1}, {"stream": 1}, {"seed": 2**63 - 1}])
def test_uniform(settings: dict[str, int]) -> None:
    """A chi-square test finds nothing against a uniform distribution."""
    counts = draws(100_000, **settings).bincount(minlength=100)
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_uniform_over_epochs_of_one_example() -> None:
    """What one example gets over 3,000 epochs is uniform too."""
    one = torch.tensor([17])
    values = torch.cat([random_integers(one, low=0, high=4, seed=0, epoch=epoch) for epoch in range(3000)])
    assert scipy.stats.chisquare(values.bincount(minlength=5).numpy()).pvalue > 1e-3


def test_neighbours_are_independent() -> None:
    """Consecutive examples, epochs, seeds and streams are uncorrelated: |r| < 4 standard deviations."""
    rows = [
        draws(seed=seed, epoch=epoch, stream=stream)
        for seed, epoch, stream in itertools.product(range(3), range(3), range(2))
    ]
    bound = 4 / len(rows[0]) ** 0.5
    assert max(abs(correlation(a, b)) for a, b in itertools.combinations(rows, 2)) < bound
    assert abs(correlation(rows[0][:-1], rows[0][1:])) < bound


def test_pairs_of_streams_fill_the_square() -> None:
    """The pair that an example gets from two streams is uniform over all 25 pairs."""
    pairs = draws(50_000, high=4) * 5 + draws(50_000, high=4, stream=1)
    assert scipy.stats.chisquare(pairs.bincount(minlength=25).numpy()).pvalue > 1e-3


def test_an_example_gets_the_same_in_any_batch() -> None:
    """Order and company of the examples change nothing."""
    everything = draws(100)
    some = torch.tensor([99, 3, 3, 50])
    found = random_integers(some, low=0, high=99, seed=0, epoch=0)
    assert torch.equal(found, everything[some])
    assert torch.equal(random_integers(some.int(), low=0, high=99, seed=0, epoch=0), found)
