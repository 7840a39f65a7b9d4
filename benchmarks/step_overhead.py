"""What `Distiller.step` costs over the same lines written by hand, for steps of 0.1 to 100 ms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.setting import Setting
from benchmarks.tables import spread_of, table
from benchmarks.timing import interleaved, ratio, seconds, spread
from distillkit import Distiller, losses

TEMPERATURE, HARD_LABEL_WEIGHT, CLASSES = 4.0, 0.5, 10


@dataclass(frozen=True)
class Size:
    """A pair of networks; the step of each is about twice or three times as long as the one before."""

    inputs: int
    hidden: tuple[int, ...]
    teacher_hidden: tuple[int, ...] | None
    """`None`: no teacher, hard labels alone, which is as short as a step gets."""
    batch: int


SIZES = (
    Size(16, (), None, 16),
    Size(64, (64,), (64,), 32),
    Size(256, (256,), (256,), 64),
    Size(512, (256,), (384,), 128),
    Size(784, (300,), (600,), 128),
    Size(784, (800, 800), (1200, 1200), 128),
    Size(784, (1200, 1200), (1600, 1600), 128),
    Size(784, (2000, 2000), (2400, 2400), 256),
)


def measure(setting: Setting) -> dict[str, Any]:
    """Blocks of steps, by hand and by `step` in turn; the ratio of each pair of blocks."""
    sizes = SIZES[:3] if setting.quick else SIZES
    return {
        "blocks": _blocks(setting),
        "sizes": [_of_size(size, setting) for size in sizes],
    }


def _blocks(setting: Setting) -> int:
    return 3 if setting.quick else 100 * setting.rounds


def _of_size(size: Size, setting: Setting) -> dict[str, Any]:
    ways = {"by hand": _by_hand(size, setting.device), "step": _by_step(size, setting.device)}
    for way in ways.values():
        _repeat(way, 5)
    a_step = seconds(lambda: _repeat(ways["by hand"], 10), setting.device) / 10
    count = max(2, round((0.02 if setting.quick else 0.03) / a_step))
    timed = interleaved(
        {name: partial(_block, way, count, setting.device) for name, way in ways.items()}, _blocks(setting)
    )
    return {
        "hidden_units": list(size.hidden),
        "batch": size.batch,
        "steps_a_block": count,
        "milliseconds_by_hand": spread([1e3 * each for each in timed["by hand"]]),
        "milliseconds_step": spread([1e3 * each for each in timed["step"]]),
        "step_over_by_hand": ratio(timed["step"], timed["by hand"]),
    }


def _block(way: Callable[[], object], count: int, device: torch.device, turn: int) -> float:
    return seconds(lambda: _repeat(way, count), device) / count


def _repeat(way: Callable[[], object], count: int) -> None:
    for _ in range(count):
        way()


def _by_hand(size: Size, device: torch.device) -> Callable[[], object]:
    teacher, student, optimizer, images, labels = _parts(size, device)

    def step() -> tuple[Tensor, ...]:
        answers = None
        if teacher is not None:
            with torch.no_grad():
                answers = teacher(images)
        logits = student(images)
        hard = F.cross_entropy(logits, labels)
        terms: tuple[Tensor, ...] = (hard,)
        if answers is not None:
            soft = F.kl_div(
                F.log_softmax(logits / TEMPERATURE, dim=-1),
                F.log_softmax(answers / TEMPERATURE, dim=-1),
                reduction="batchmean",
                log_target=True,
            )
            terms = ((1 - HARD_LABEL_WEIGHT) * TEMPERATURE**2 * soft, HARD_LABEL_WEIGHT * hard)
        loss = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return tuple(term.detach() for term in terms)

    return step


def _by_step(size: Size, device: torch.device) -> Callable[[], object]:
    teacher, student, optimizer, images, labels = _parts(size, device)
    both = losses.hinton(temperature=TEMPERATURE, hard_label_weight=HARD_LABEL_WEIGHT)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=losses.HardLabels() if teacher is None else both,
        optimizer=optimizer,
        precision="fp32",
    )
    return lambda: distiller.step((images, labels))


def _parts(
    size: Size, device: torch.device
) -> tuple[nn.Module | None, nn.Module, torch.optim.Optimizer, Tensor, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = torch.randn(size.batch, size.inputs).to(device)
        labels = torch.randint(CLASSES, (size.batch,)).to(device)
        student = _network(size.inputs, size.hidden).to(device).train()
        teacher = (
            None if size.teacher_hidden is None else _network(size.inputs, size.teacher_hidden).to(device)
        )
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, fused=True)
    return None if teacher is None else teacher.eval(), student, optimizer, images, labels


def _network(inputs: int, hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, CLASSES))


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = [
        [
            "-".join(map(str, each["hidden_units"])) or "none",
            str(each["batch"]),
            spread_of(each["milliseconds_by_hand"]),
            spread_of(each["milliseconds_step"]),
            "{:+.1f} % ({:+.1f} – {:+.1f})".format(
                *(100 * (each["step_over_by_hand"][name] - 1) for name in ("median", "min", "max"))
            ),
        ]
        for each in results["sizes"]
    ]
    head = ("Hidden units", "Batch", "By hand, ms", "`Distiller.step`, ms", "More")
    note = (
        f"float32, fused SGD, the teacher live (none in the first row); {results['blocks']} pairs of blocks. "
        "`step` also lets the loss's terms be seen by name, and checks its first batch."
    )
    return f"{note}\n\n{table(head, rows)}"
