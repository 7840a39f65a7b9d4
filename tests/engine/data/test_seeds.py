"""Tests of the order of the data."""

from __future__ import annotations

import torch

from distillkit.engine.data.seeds import epoch_order, epoch_seed


def test_the_order_is_of_seed_and_epoch_alone():
    """Whatever torch's own randomness, the same seed and epoch give the same order."""
    selected = torch.arange(100, 200)
    first = epoch_order(selected, 3, 5)
    torch.rand(7)
    assert torch.equal(first, epoch_order(selected, 3, 5))
    assert torch.equal(first.sort().values, selected)


def test_seeds_and_epochs_have_orders_of_their_own():
    """No two of these seeds and epochs share a seed for the epoch."""
    seeds = {epoch_seed(seed, epoch) for seed in range(-3, 20) for epoch in range(20)}
    assert len(seeds) == 23 * 20
    assert all(0 <= seed < 2**53 for seed in seeds)
