"""How many units of a job go on side by side: as many as let it end first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.jobs.units import Unit
from distillkit.mnist.protocols.networks import CLASSES, PIXELS

SHARED_BY_THREADS = 0.7
"""One training on t threads is about t to this power quicker than on one: 1.6 x on two (docs, Benchmarks)."""


class Products:
    """Multiply-adds in place of seconds, which differ from call to call."""

    def seconds(self, cells: Sequence[Cell]) -> float:
        """The forward passes of a stack over all of MNIST, whole; what is not a product is passed over.

        Example:
            >>> from distillkit.mnist.cells.cell import baseline_cell
            >>> from distillkit.mnist.protocols.protocol import REPORT_2025
            >>> Products().seconds([baseline_cell(REPORT_2025, 30)])
            37080000000.0
        """
        return sum(_weights(cell) * 60_000.0 * cell.training.epochs for cell in cells)


def number_that_ends_first(plan: Sequence[Unit], at_most: int, cores: int) -> int:
    """How many units of a plan go on side by side, 1 to `at_most`, each on its share of the cores.

    A job whose first training teaches all others is over sooner when that one has every core; one of several
    seeds, when each core has a training of its own. Decided by what is computed and not by a clock, so that
    the same plan has the same threads, and the same numbers to the bit.

    Args:
        plan: All units, in their order.
        at_most: As many as there is memory for, ≥ 1.
        cores: Threads that all share, ≥ 1.
    """

    def ends(number: int) -> float:
        quicker: float = max(1, cores // number) ** SHARED_BY_THREADS
        return _ends(plan, number) / quicker

    # the larger of two that are alike: threads wait for each other when the machine is not quiet
    return min(range(at_most, 0, -1), key=ends)


def ready(waiting: Collection[Unit], running: Iterable[Unit]) -> Iterator[Unit]:
    """Return the units of `waiting`, in order, that need nothing that these or `running` have yet to make."""
    to_come = {run for unit in (*waiting, *running) for run in unit.makes}
    return (unit for unit in waiting if not to_come & unit.needs)


def _ends(plan: Sequence[Unit], number: int) -> float:
    """When the last unit ends, if `number` go on at once and each costs what its products do."""
    products, now = Products(), 0.0
    waiting, running, ends = list(plan), list[Unit](), list[float]()
    while waiting or running:
        while len(running) < number and (unit := next(ready(waiting, running), None)) is not None:
            waiting.remove(unit)
            running.append(unit)
            ends.append(now + unit.seconds(products))
        now = min(ends)
        place = ends.index(now)
        del running[place], ends[place]
    return now


def _weights(cell: Cell) -> int:
    return sum(first * second for first, second in pairwise((PIXELS, *cell.network.hidden_units, CLASSES)))
