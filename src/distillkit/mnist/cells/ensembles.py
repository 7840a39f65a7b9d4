"""Ten nets as one teacher: what they say together, and the result that they have of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from distillkit import Distiller, metrics
from distillkit.losses import HardLabels
from distillkit.mnist.cells.cell import Average, Cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.run_record import Kept, beside


def ensemble_id(members: Sequence[str], average: Average) -> dict[str, Any]:
    """The identity of an ensemble: of its members' runs, and what is averaged."""
    return {"average": average, "members": list(members)}


def ensemble_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the ensemble's own result, from that of a run that it teaches."""
    name = f"ensemble-mean-{config['teacher']['average']}"
    return {key: config[key] for key in ("data", "precision", "background", "teacher") if key in config} | {
        "name": name
    }


def ensemble_result(ensemble: nn.Module, cell: Cell, line: Mapping[str, Any], context: RunContext) -> Kept:
    """Return the result of the ensemble itself on the test set."""
    images, labels = context.test(cell)
    # a Distiller for its evaluation alone: in batches, in the run's precision, without gradients
    alone = Distiller(teacher=None, student=ensemble, loss=HardLabels(), precision=context.precision)
    evaluation = metrics.evaluate_logits(alone.logits(images), labels)
    config = ensemble_config(line["config"])
    return beside(line, config, evaluation, correction=None, duration_s=0.0)
