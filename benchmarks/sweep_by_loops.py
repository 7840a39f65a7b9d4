"""The sweep's networks as tutorial loops: what a step and a test cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

from benchmarks.timing import now
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.protocols.protocol import REPORT_2025
from distillkit.mnist.protocols.training import DecayingSgd

TEMPERATURE = 4.0
"""Any: it does not change the cost."""
_WARM_UP = 3


@dataclass(frozen=True)
class LoopCost:
    """Seconds of a training step and of a pass over the test images."""

    a_step: float
    a_test: float

    def mean(self, other: LoopCost) -> LoopCost:
        """Half of this and half of another."""
        return LoopCost((self.a_step + other.a_step) / 2, (self.a_test + other.a_test) / 2)


def a_loop(kind: str, data: MnistData, device: torch.device, steps: int, turn: int) -> LoopCost:
    """Time `steps` steps, and a test of as many images, of the tutorial loop of a kind of network."""
    is_teacher = kind == "teacher"
    training = REPORT_2025.teacher_training if is_teacher else REPORT_2025.student_training
    spec = REPORT_2025.teacher if is_teacher else REPORT_2025.student(int(kind[1:].partition("-")[0]))
    network = spec.build(seed=0).to(device).train()
    teacher = REPORT_2025.teacher.build(seed=0).to(device).eval() if kind.endswith("-KD") else None
    shift = REPORT_2025.jitter_pixels / 28
    jitter = [transforms.RandomAffine(degrees=0, translate=(shift, shift))] if is_teacher else []
    loader = _loader(data, train=True, count=len(data.train_labels), before=jitter, batch=training.batch_size)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    batches = iter(loader)
    _train(islice(batches, _WARM_UP), network, teacher, optimizer, training, device)
    began = now(device)
    done = _train(islice(batches, steps), network, teacher, optimizer, training, device)
    a_step = (now(device) - began) / done
    images = min(steps * training.batch_size, len(data.test_labels))
    test = _loader(data, train=False, count=images, before=[], batch=training.batch_size)
    began = now(device)
    _test(test, network, device)
    return LoopCost(a_step, (now(device) - began) * len(data.test_labels) / images)


def _train(
    batches: Any,
    network: nn.Module,
    teacher: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    training: DecayingSgd,
    device: torch.device,
) -> int:
    """The loop; the number of steps made."""
    running_loss, steps = 0.0, 0
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)  # noqa: PLW2901 - as tutorials do
        logits = network(images)
        loss = F.cross_entropy(logits, labels)
        if teacher is not None:
            with torch.no_grad():
                answers = teacher(images)
            soft = F.kl_div(
                F.log_softmax(logits / TEMPERATURE, dim=1),
                F.softmax(answers / TEMPERATURE, dim=1),
                reduction="batchmean",
            )
            loss = loss + TEMPERATURE**2 * soft
        optimizer.zero_grad()
        loss.backward()
        if training.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), training.clip_norm)
        optimizer.step()
        running_loss += loss.item()
        steps += 1
    return steps


@torch.no_grad()
def _test(loader: Any, network: nn.Module, device: torch.device) -> int:
    network.eval()
    wrong = 0
    for images, labels in loader:
        wrong += int((network(images.to(device)).argmax(dim=1) != labels.to(device)).sum().item())
    return wrong


def _loader(data: MnistData, *, train: bool, count: int, before: list[Any], batch: int) -> DataLoader[Any]:
    steps = [*before, transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    whole = MNIST(Path(data.where), train=train, transform=transforms.Compose(steps))
    return DataLoader(Subset(whole, range(count)), batch_size=batch, shuffle=train)
