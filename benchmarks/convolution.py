"""A convolutional pair, ResNet-18 and a small one, on synthetic images of 32 x 32: by hand and by `fit`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.setting import Setting
from benchmarks.small_resnet import SmallResNet
from benchmarks.tables import spread_of, table, times
from benchmarks.timing import Clock, interleaved, now, ratio, spread
from benchmarks.ways.by_hand import autocast
from distillkit import Distiller, losses
from distillkit.workbench import SettledPrecision

BATCH, TEMPERATURE, HARD_LABEL_WEIGHT, EPOCHS = 128, 4.0, 0.1, 3
LIVE = "by hand, teacher live, fp32"
Pair = tuple[Tensor, Tensor]


def measure(setting: Setting) -> dict[str, Any]:
    """Every way in turn."""
    count = 2 * BATCH if setting.quick else 8 * BATCH
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((count, 3, 32, 32), generator=generator).to(setting.device)
    train = images, torch.randint(10, (count,), generator=generator).to(setting.device)
    ways: dict[str, Callable[[int], Clock]] = {LIVE: partial(_by_hand, train, "fp32", cached=False)}
    for precision in setting.precisions:
        ways[f"by hand, logits kept, {precision}"] = partial(_by_hand, train, precision, cached=True)
        ways[f"Distiller.fit, {precision}"] = partial(_fit, train, precision)
    results = interleaved(ways, setting.rounds)
    reference = results[LIVE]
    return {
        "images": count,
        "rounds": setting.rounds,
        "ways": {
            name: {
                "seconds_an_epoch": spread([clock.an_epoch for clock in each]),
                "seconds_once": spread([clock.once for clock in each]),
                "times_faster_an_epoch": ratio([a.an_epoch for a in reference], [b.an_epoch for b in each]),
                "times_faster_in_all": ratio([a.whole for a in reference], [b.whole for b in each]),
            }
            for name, each in results.items()
        },
    }


def networks(seed: int, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """ResNet-18 with the stem for small images, in evaluation mode, and the small one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = resnet18(num_classes=10)
        teacher.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        teacher.maxpool = nn.Identity()
        return teacher.to(device).eval().requires_grad_(False), SmallResNet().to(device)


def sgd(student: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of every way."""
    return torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)


def _by_hand(train: Pair, precision: str, turn: int, *, cached: bool) -> Clock:
    images, labels = train
    clock = Clock(images.device)
    teacher, student = networks(turn, images.device)
    student.train()
    optimizer = sgd(student)
    kept = None
    if cached:
        with clock.doing_once(), torch.no_grad(), autocast(precision, images.device):
            kept = torch.cat([teacher(part) for part in torch.split(images, BATCH)]).float()
    for _ in range(EPOCHS):
        with clock.epoch():
            for numbers in torch.split(torch.randperm(len(labels)).to(images.device), BATCH):
                batch = images[numbers]
                with autocast(precision, images.device):
                    if kept is None:
                        with torch.no_grad():
                            answers = teacher(batch)
                    else:
                        answers = kept[numbers]
                    logits = student(batch)
                loss = loss_of(logits.float(), answers.float(), labels[numbers])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
    return clock


def loss_of(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Hinton's, by hand."""
    soft = F.kl_div(
        F.log_softmax(student / TEMPERATURE, dim=1),
        F.log_softmax(teacher / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels)
    return HARD_LABEL_WEIGHT * hard + (1 - HARD_LABEL_WEIGHT) * TEMPERATURE**2 * soft


def _fit(train: Pair, precision: SettledPrecision, turn: int) -> Clock:
    clock = Clock(train[0].device)
    teacher, student = networks(turn, train[0].device)
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=losses.hinton(temperature=TEMPERATURE, hard_label_weight=HARD_LABEL_WEIGHT),
        optimizer=sgd(student),
        precision=precision,
    )
    began = now(clock.device)
    history = distiller.fit(train, epochs=EPOCHS, batch_size=BATCH)
    whole = now(clock.device) - began
    clock.epochs += history.attrs["seconds"]
    clock.once += whole - sum(clock.epochs)
    return clock


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    head = ("Way", "Seconds an epoch", "Seconds once", "× live, an epoch", "× live, in all")
    rows = [
        [
            name,
            spread_of(way["seconds_an_epoch"]),
            spread_of(way["seconds_once"]),
            times(way["times_faster_an_epoch"]),
            times(way["times_faster_in_all"]),
        ]
        for name, way in results["ways"].items()
    ]
    note = (
        f"{results['images']:,} images of 32 × 32 in memory, batch {BATCH}, {EPOCHS} epochs, "
        f"{results['rounds']} rounds; ResNet-18 into a ResNet of three blocks with 16, 32 and 64 channels."
    )
    return f"{note}\n\n{table(head, rows)}"
