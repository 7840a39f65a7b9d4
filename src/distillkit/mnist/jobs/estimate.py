"""How long runs will take on this machine, from short trials of them."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from distillkit import TeacherCache, fit_together
from distillkit.errors import DivergenceError
from distillkit.mnist.cells.cell import Cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.runs import distiller_for
from distillkit.transfer_sets import Full
from distillkit.workbench.workers.observer import Silent

if TYPE_CHECKING:
    from torch import nn

_STEPS = 8
_TEST_CASES = 1000


class Estimates:
    """Seconds of stacks of cells; each kind of stack is tried once, for two epochs of a few batches.

    What a trial does not see: evaluation and training that slow each other down, a processor that grows warm
    or has other work, and the one pass of a teacher over its transfer set.

    Args:
        context: Data, device and precision of the runs.
        teacher: Any network of the teacher's architecture; it may be untrained.
    """

    def __init__(self, context: RunContext, teacher: nn.Module) -> None:
        self._context = replace(context, observer=Silent(), teacher_cache=TeacherCache())
        self._teacher = teacher.to(context.device)
        self._found: dict[Hashable, tuple[float, float]] = {}

    def seconds(self, cells: Sequence[Cell]) -> float:
        """Seconds of a stack, whole."""
        first = cells[0]
        labels = self._context.data.train_labels
        steps = math.ceil(len(first.transfer_set.select(len(labels), labels)) / first.training.batch_size)
        a_step, a_test_case = self._tried(cells)
        an_epoch = steps * a_step + len(self._context.data.test_labels) * a_test_case
        return first.training.epochs * an_epoch

    def _tried(self, cells: Sequence[Cell]) -> tuple[float, float]:
        first = cells[0]
        training = first.training.model_copy(update={"epochs": 2})
        taught = [cell.has_teacher for cell in cells]
        key = (first.network, training, first.transfer_set.same_view, tuple(taught))
        if key not in self._found:
            self._found[key] = self._try([_shortened(cell) for cell in cells])
        return self._found[key]

    def _try(self, cells: Sequence[Cell]) -> tuple[float, float]:
        """Seconds of a step and of a test case, of all students together."""
        first = cells[0]
        images, labels = self._context.train(first)
        cases = min(_STEPS * first.training.batch_size, len(labels))
        distillers = [distiller_for(cell, 0, self._context, self._teacher) for cell in cells]
        histories = fit_together(
            distillers,
            (images[:cases], labels[:cases]),
            epochs=2,
            batch_size=first.training.batch_size,
            stack_size=len(cells),
        )
        # the second epoch: the first one also settles what can be done together
        spent = [
            history.attrs["seconds"][-1] for history in histories if not isinstance(history, DivergenceError)
        ]
        test_images, test_labels = self._context.test(first)
        tested = min(_TEST_CASES, len(test_labels))
        began = time.perf_counter()
        for distiller in distillers:
            distiller.evaluate((test_images[:tested], test_labels[:tested]))
        testing = (time.perf_counter() - began) / tested
        return sum(spent) / math.ceil(cases / first.training.batch_size), testing


def _shortened(cell: Cell) -> Cell:
    """The cell with two epochs and, of its transfer set, only whether images move: it goes to other cases."""
    transfer_set = Full() if cell.transfer_set.same_view else cell.transfer_set
    training = cell.training.model_copy(update={"epochs": 2})
    return cell.model_copy(update={"training": training, "transfer_set": transfer_set})
