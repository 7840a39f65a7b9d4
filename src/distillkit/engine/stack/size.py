"""The number of students in a stack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distillkit.engine.data.sources import ResidentSource
from distillkit.engine.loop.preparation import Run
from distillkit.engine.stack.batches import first_seen, learner_of, shared
from distillkit.engine.stack.forward import Forward
from distillkit.engine.stack.weights import stacked_copies
from distillkit.engine.trees import map_tensors

_COPIES = 4
"""Numbers that are kept for each weight: itself, its gradient and two moments."""
_SHARE_OF_MEMORY = 0.25
_ROUNDS = 3


def best_size(runs: Sequence[Run], source: ResidentSource, forward: Forward) -> int:
    """Return the number of students for one stack; 1 where a stack is no faster than one by one.

    A quarter of the free memory limits the number, in whole groups of students that see the same. A short
    trial on copies of the weights measures a pass forward and back, of one student and of the stack.
    """
    inputs = first_seen(source, learner_of(runs[0]), source.batch_size).inputs
    together = shared([learner_of(run) for run in runs])
    bytes_a_student, alone = _one_student(runs[0], forward, _grouped(inputs, 1))
    most = int(_SHARE_OF_MEMORY * free_bytes(runs[0].training.device) / max(1, bytes_a_student))
    size = min(len(runs), max(1, most))
    if size > together:
        size -= size % together
    if size <= 1:
        return 1
    groups = max(1, size // together)
    stacked = _seconds(runs[:size], forward, _grouped(inputs, groups))
    return size if stacked / size < alone else 1


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):  # a system without this file
        return 4 * 2**30


def _one_student(run: Run, forward: Forward, inputs: Any) -> tuple[int, float]:
    """Return a student's bytes, with those that its backward pass needs, and its seconds a pass."""
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        _seconds([run], forward, inputs, rounds=1)
    weights = sum(parameter.nbytes for parameter in run.training.student.parameters())
    return _COPIES * weights + sum(saved.values()), _seconds([run], forward, inputs)


def _seconds(runs: Sequence[Run], forward: Forward, inputs: Any, rounds: int = _ROUNDS) -> float:
    """Return the least time of a few passes; the students do not change."""
    first = runs[0].training
    weights = stacked_copies([run.training.student for run in runs])
    trainable = [tensor for tensor in weights.values() if tensor.requires_grad]
    generators = [torch.Generator().manual_seed(0) for _ in runs]
    times = []
    with torch.random.fork_rng(devices=[first.device] if first.device.type == "cuda" else []):
        for _ in range(rounds):
            _wait(first.device)
            began = time.perf_counter()
            with first.precision.autocast():
                out = forward(weights, inputs, len(runs), generators).float().square().mean()
            torch.autograd.grad(out, trainable, allow_unused=True)
            _wait(first.device)
            times.append(time.perf_counter() - began)
    return min(times)


def _grouped(inputs: Any, groups: int) -> Any:
    return map_tensors(lambda part: torch.stack([part] * groups), inputs)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
