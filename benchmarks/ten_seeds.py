"""The sweep's students of 30 units with several seeds, each with a teacher of its own, trained together."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.report_students import TEMPERATURES, fit_together, report_student
from benchmarks.setting import Setting
from benchmarks.timing import seconds
from distillkit import TeacherCache
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.protocols.protocol import REPORT_2025
from distillkit.workbench import settle_precision

SEEDS, WIDTH = 10, 30
_LATER_EPOCHS = 2


def seeds_together(setting: Setting, data: MnistData, seeds: int, turn: int) -> tuple[float, float]:
    """Seconds of one epoch with all that is done once, and of an epoch more.

    The teachers are not trained here: their answers cost the same.
    """
    train, test = pairs(data, setting.device)
    teachers = [REPORT_2025.teacher.build(seed).to(setting.device).eval() for seed in range(seeds)]
    precision = settle_precision("auto", setting.device)

    def run(epochs: int) -> None:
        cache = TeacherCache()
        distillers = [
            report_student(
                WIDTH,
                temperature,
                seed,
                teacher=teachers[seed],
                cache=cache,
                device=setting.device,
                precision=precision,
            )
            for seed in range(seeds)
            for temperature in TEMPERATURES
        ]
        fit_together(distillers, train, epochs=epochs, evaluate_on=test)

    first = seconds(lambda: run(1), setting.device)
    more = seconds(lambda: run(1 + _LATER_EPOCHS), setting.device)
    return first, max(more - first, 0.0) / _LATER_EPOCHS


def pairs(data: MnistData, device: torch.device) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test images with their labels, on the device."""
    train = data.train_images.view(-1, 1, 28, 28).to(device), data.train_labels.to(device)
    test = data.test_images.view(-1, 1, 28, 28).to(device), data.test_labels.to(device)
    return train, test
