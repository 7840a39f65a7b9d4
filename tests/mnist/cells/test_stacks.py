"""Which cells are one stack."""

from __future__ import annotations

import torch

from distillkit.mnist.cells.stacks import stacks_of
from distillkit.mnist.plan import reproduction_stages
from distillkit.mnist.protocols.protocol import REPORT_2025, REPORT_2025_CODE

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def sizes(device: torch.device) -> list[list[int]]:
    """The sizes of the stacks of every stage of a reproduction."""
    return [
        [len(stack) for stack in stacks_of(stage, device)]
        for stage in reproduction_stages(REPORT_2025, seed=0)
    ]


def test_narrow_students_that_differ_in_their_loss_are_one_stack() -> None:
    """On a CPU those of 30 and of 300 units; on a GPU those of 800 too.

    A teacher, and a run that waits for another's correction, is alone.
    """
    assert sizes(CPU) == [[1, 1, 1], [7], [1, 1, 1], [1], [7], [1, 1, 1, 1, 1]]
    assert sizes(GPU) == [[1, 2], [7], [1, 1, 1], [1], [7], [5]]


def test_no_cell_is_lost_or_moved() -> None:
    """Stacks laid end to end are the stage."""
    for stage in reproduction_stages(REPORT_2025_CODE, seed=1):
        assert [cell for stack in stacks_of(stage, CPU) for cell in stack] == stage
