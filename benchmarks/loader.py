"""A loader-bound job: images augmented as they are read, a millisecond each, with and without workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.convolution import HARD_LABEL_WEIGHT, TEMPERATURE, loss_of, sgd
from benchmarks.setting import Setting
from benchmarks.small_resnet import SmallResNet
from benchmarks.tables import spread_of, table, times
from benchmarks.timing import interleaved, ratio, seconds, spread
from distillkit import Distiller, losses

BATCH, WORKERS = 64, (0, 1, 2)
MILLISECONDS = 1.0


class Augmented(Dataset[tuple[Tensor, int]]):
    """Images cropped and mirrored at random; each takes a millisecond of the processor's time to read."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randn((count, 3, 40, 40), generator=generator)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        began = time.thread_time()
        down, right, mirrored = (int(torch.randint(high, ())) for high in (9, 9, 2))
        image = self._images[number, :, down : down + 32, right : right + 32]
        image = image.flip(-1) if mirrored else image.clone()
        while time.thread_time() - began < MILLISECONDS * 1e-3:
            pass
        return image, number % 10


def measure(setting: Setting) -> dict[str, Any]:
    """An epoch by hand and by `fit`, for each number of workers."""
    data = Augmented(2 * BATCH if setting.quick else 32 * BATCH)
    ways: dict[str, Callable[[int], float]] = {}
    for workers in WORKERS[:2] if setting.quick else WORKERS:
        ways[f"by hand, {workers}"] = partial(_by_hand, data, workers, setting.device)
        ways[f"fit, {workers}"] = partial(_fit, data, workers, setting.device)
    results = interleaved(ways, setting.rounds)
    return {
        "images": len(data),
        "rounds": setting.rounds,
        "rows": [
            {
                "workers": workers,
                "seconds_by_hand": spread(results[f"by hand, {workers}"]),
                "seconds_fit": spread(results[f"fit, {workers}"]),
                "times_faster": ratio(results[f"by hand, {workers}"], results[f"fit, {workers}"]),
            }
            for workers in WORKERS
            if f"fit, {workers}" in results
        ],
    }


def _networks(seed: int, device: torch.device) -> tuple[SmallResNet, SmallResNet]:
    """Both small, so that reading is what takes the time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher, student = SmallResNet().to(device), SmallResNet().to(device)
    return teacher.eval().requires_grad_(False), student


def _by_hand(data: Augmented, workers: int, device: torch.device, turn: int) -> float:
    teacher, student = _networks(turn, device)
    student.train()
    optimizer = sgd(student)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)

    def epoch() -> None:
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)  # noqa: PLW2901 - as tutorials do
            with torch.no_grad():
                answers = teacher(images)
            loss = loss_of(student(images), answers, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return seconds(epoch, device)


def _fit(data: Augmented, workers: int, device: torch.device, turn: int) -> float:
    teacher, student = _networks(turn, device)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=losses.hinton(temperature=TEMPERATURE, hard_label_weight=HARD_LABEL_WEIGHT),
        optimizer=sgd(student),
        precision="fp32",
    )
    return seconds(lambda: distiller.fit(data, epochs=1, batch_size=BATCH, num_workers=workers), device)


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    head = ("Workers", "By hand, s an epoch", "`fit`, s an epoch", "× by hand")
    rows = [
        [
            str(row["workers"]),
            spread_of(row["seconds_by_hand"]),
            spread_of(row["seconds_fit"]),
            times(row["times_faster"]),
        ]
        for row in results["rows"]
    ]
    note = (
        f"{results['images']:,} images, each read in {MILLISECONDS:g} ms of processor time and augmented "
        f"anew, so that the teacher has to answer live; batch {BATCH}, small networks, "
        f"{results['rounds']} rounds."
    )
    return f"{note}\n\n{table(head, rows)}"
