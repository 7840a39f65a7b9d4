"""The experiments of a reproduction by their ids, and the cells that they need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.cell import (
    AVERAGES,
    BiasCorrection,
    Cell,
    baseline_cell,
    distilled_cell,
    ensemble_student_cell,
    member_cells,
    pool_cell,
    teacher_cell,
)
from distillkit.mnist.data.pools import Pool
from distillkit.mnist.experiments.catalogue import CATALOGUE, experiment_ids, experiment_names
from distillkit.mnist.protocols.protocol import REPORT_PROTOCOLS, Protocol
from distillkit.transfer_sets import OmitClasses, OnlyClasses

NO_DROPOUT = "R-teacher-no-dropout"
_PAPERS = ("H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8")
_LATER = ("H9", "H10", "H11", "H12", "H13", "H14", "dark-knowledge")

REPORTS_WIDTHS = (30, 300, 800)
REPORTS_TEMPERATURES = (1.0, 2.0, 4.0, 10.0, 20.0, 50.0)
WIDTHS = (10, 30, 100, 300, 800)
POOLS: tuple[Literal["training", "fonts", "noise"], ...] = ("training", "fonts", "noise")
POOL_SIZES = (100, 1_000, 10_000, 60_000)
TEMPERATURES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 10.0, 20.0, 50.0, 100.0)

_Wanted = tuple[frozenset[str], Cell]
"""A cell and the experiments that need it."""


def experiments_of(protocol: Protocol) -> tuple[str, ...]:
    """The ids of a protocol's experiments, those of the ledger's rows.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> " ".join(experiments_of(MODERN))
        'H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 H13 H14 dark-knowledge'
    """
    if protocol.name in REPORT_PROTOCOLS:
        return (*_PAPERS, NO_DROPOUT)
    several = experiment_ids(protocol)
    return (*_PAPERS, *(one for one in _LATER if one in {"H11", "H12", *several}))


def chosen_experiments(protocol: Protocol, ids: Collection[str]) -> tuple[str, ...]:
    """The experiments named, in their order; all of them where none is.

    Raises:
        ConfigurationError: One is unknown; lists those there are.
    """
    there = experiments_of(protocol)
    if unknown := [one for one in ids if one not in there]:
        raise ConfigurationError(
            f"There is no experiment {', '.join(map(repr, unknown))} under {protocol.name}; there are "
            f"{', '.join(there)}."
        )
    return tuple(one for one in there if one in ids) if ids else there


def reproduction_stages(protocol: Protocol, seed: int, only: Collection[str] = ()) -> list[list[Cell]]:
    """The cells of a seed, the teacher first, the quick and telling stages before the long ones.

    Args:
        protocol: Settings.
        seed: Of the teacher's jitter.
        only: Experiments that are wanted; all where empty. A teacher comes with what it teaches.
    """
    chosen = frozenset(chosen_experiments(protocol, only))
    reports = protocol.name in REPORT_PROTOCOLS
    widths = REPORTS_WIDTHS if reports else WIDTHS
    temperatures = REPORTS_TEMPERATURES if reports else TEMPERATURES
    teacher = teacher_cell(protocol, seed, dropout=True)
    students = [
        _for("H2 H4 H11", baseline_cell(protocol, 800)),
        _for("H3 H4", distilled_cell(protocol, 800, 20)),
    ]
    grids = {width: _grid(protocol, width, temperatures) for width in widths}
    shared = {cell.name for _, cell in students}
    grids[800] = [(ids, cell) for ids, cell in grids[800] if cell.name not in shared]
    transfers = _transfers(protocol, chosen, held_out=True)
    if reports:
        no_dropout = [_for(NO_DROPOUT, teacher_cell(protocol, seed, dropout=False))]
        later = [grids[30], transfers, no_dropout, grids[300], grids[800]]
    else:
        later = [transfers, *grids.values(), _unlabelled(protocol), *_ensembles(protocol)]
    stages = [[cell for ids, cell in stage if ids & chosen] for stage in (students, *later)]
    taught = any(cell.has_teacher and cell.ensemble is None for stage in stages for cell in stage)
    taught = taught or any(CATALOGUE[name].needs_teacher for name in experiment_names(protocol, chosen))
    stages[0] = [*([teacher] if taught or "H1" in chosen else []), *stages[0]]
    return stages


def quick_stages(protocol: Protocol, seed: int) -> list[list[Cell]]:
    """Enough to see every experiment at work in minutes."""
    grids = [[cell for _, cell in _grid(protocol, width, (4.0, 20.0))] for width in (800, 30)]
    transfers = [cell for _, cell in _transfers(protocol, experiments_of(protocol), held_out=False)]
    return [[teacher_cell(protocol, seed, dropout=True)], *grids, transfers]


def _for(ids: str, cell: Cell) -> _Wanted:
    return frozenset(ids.split()), cell


def _grid(protocol: Protocol, units: int, temperatures: Sequence[float]) -> list[_Wanted]:
    cells = [
        baseline_cell(protocol, units),
        *(distilled_cell(protocol, units, each) for each in temperatures),
    ]
    return [_for("H4", cell) for cell in cells]


def _transfers(protocol: Protocol, chosen: Collection[str], *, held_out: bool) -> list[_Wanted]:
    """Students that lack a digit, or have two alone; with their biases corrected where that is asked for."""
    without_3, only_7_and_8 = OmitClasses(classes=(3,)), OnlyClasses(classes=(7, 8))
    of_3 = BiasCorrection(classes=(3,), held_out=held_out) if "H6" in chosen else None
    of_7_and_8 = BiasCorrection(classes=(7, 8), held_out=held_out) if "H8" in chosen else None
    omitted = distilled_cell(protocol, 800, 20, transfer_set=without_3, suffix="-omit3", correction=of_3)
    alone = distilled_cell(
        protocol, 800, 20, transfer_set=only_7_and_8, suffix="-only78", correction=of_7_and_8
    )
    return [
        _for("H5", baseline_cell(protocol, 800, transfer_set=without_3, suffix="-omit3")),
        _for("H5 H6", omitted),
        _for("H7 H8", alone),
    ]


def _unlabelled(protocol: Protocol) -> list[_Wanted]:
    """Students on images that nobody has labelled, of several kinds and numbers."""
    pools = [Pool(images=images, number=number) for images in POOLS for number in POOL_SIZES]
    return [_for("H11", pool_cell(protocol, 800, 20, pool)) for pool in pools]


def _ensembles(protocol: Protocol) -> list[list[_Wanted]]:
    """Ten nets, and those that learn from all ten."""
    taught = [ensemble_student_cell(protocol, 800, 20, average) for average in AVERAGES]
    return [[_for("H12", cell) for cell in cells] for cells in (member_cells(protocol, 800), taught)]
