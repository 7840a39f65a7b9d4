"""Which cells of a stage are trained as one stack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch

from distillkit.mnist.cells.cell import Cell

WIDEST_ON_A_CPU = 300
"""Units a layer: wider students fill a CPU by themselves (docs, Benchmarks)."""


def stacks_of(cells: Sequence[Cell], device: torch.device) -> list[list[Cell]]:
    """The cells in their order; neighbours that differ in loss or start alone are together.

    A rule and not a trial, so that the same command makes the same stacks, and to the bit the same numbers,
    also when it goes on.
    """
    keys = [_key(number, cell, device) for number, cell in enumerate(cells)]
    together = groupby(zip(keys, cells, strict=True), key=lambda keyed: keyed[0])
    return [[cell for _, cell in group] for _, group in together]


def _key(number: int, cell: Cell, device: torch.device) -> object:
    # a corrected run, or one that chooses a correction, waits for another or is waited for
    alone = cell.correction is not None or bool(cell.chooses_shift_of)
    too_wide = device.type == "cpu" and max(cell.network.hidden_units) > WIDEST_ON_A_CPU
    return number if alone or too_wide else (
        cell.network, cell.training, cell.transfer_set, cell.pool, cell.ensemble,
    )  # fmt: skip
