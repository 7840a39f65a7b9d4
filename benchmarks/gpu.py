"""The same on a GPU, where there is one, and there the whole sweep and Hinton's 3,000 epochs."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import jittered_teacher, limit, long_teacher, one_student, recorded, stack, sweep, whole_sweep
from benchmarks.setting import Setting, Waits

PARTS: dict[str, Any] = {
    "The whole sweep": whole_sweep,
    "Hinton's teacher, 3,000 epochs": long_teacher,
    "One student": one_student,
    "A teacher with jitter and dropout": jittered_teacher,
    "The sweep against tutorial loops": sweep,
    "Updates as CUDA graphs": recorded,
    "Stacks": stack,
    "Share of the limit": limit,
}
"""The most wanted first."""


def measure(setting: Setting) -> dict[str, Any]:
    """Every part; one that fails is noted and does not keep the others from being measured.

    Raises:
        Waits: There is no GPU here.
    """
    if not torch.cuda.is_available():
        raise Waits("a GPU")
    there = setting.on("cuda")
    return {name: _part(part.measure, there) for name, part in PARTS.items()}


def _part(measure_it: Callable[[Setting], dict[str, Any]], setting: Setting) -> dict[str, Any]:
    try:
        return {"results": measure_it(setting)}
    except Waits as reason:
        return {"waits": str(reason)}
    except Exception as error:  # whatever it is, the other parts are worth having
        where = traceback.extract_tb(error.__traceback__)[-1].name
        return {"failed": f"in {where}: {type(error).__name__}: {str(error)[:300]}"}


def show(results: dict[str, Any]) -> str:
    """The parts, one after another."""
    parts = []
    for name, part in results.items():
        if "results" in part:
            text = PARTS[name].show(part["results"])
        elif "waits" in part:
            text = f"Waits for {part['waits']}."
        else:
            text = f"Failed {part['failed']}."
        parts.append(f"### {name}\n\n{text}")
    return "\n\n".join(parts)
