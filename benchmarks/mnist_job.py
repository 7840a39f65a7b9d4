"""The job of `one-student`: MNIST, a trained teacher, and a student that every way begins alike."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

from benchmarks.setting import Setting
from benchmarks.timing import Clock
from distillkit import Distiller, losses
from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.protocols.networks import NetworkSpec

TEACHER = NetworkSpec(hidden_units=(1200, 1200), input_dropout=0.2, hidden_dropout=(0.5, 0.5))
STUDENT = NetworkSpec(hidden_units=(800, 800))
TEMPERATURE, HARD_LABEL_WEIGHT, BATCH = 20.0, 0.5, 128
TEACHER_EPOCHS = 2
Pair = tuple[Tensor, Tensor]


class Way(Protocol):
    """A way to train the student of a job."""

    def __call__(self, job: Job, seed: int, epochs: int, clock: Clock) -> nn.Module:
        """The trained student; the clock is told each epoch and what is done once."""
        ...


@dataclass(frozen=True)
class Job:
    """Data on the device, the teacher, and the folder that torchvision reads the same data from."""

    train: Pair = field(repr=False)
    test: Pair = field(repr=False)
    folder: Path = field(repr=False)
    device: torch.device
    teacher: nn.Module = field(repr=False, default_factory=nn.Identity)

    def first(self, count: int) -> Job:
        """The same with the first `count` training images."""
        return replace(self, train=(self.train[0][:count], self.train[1][:count]))

    def student(self, seed: int) -> nn.Sequential:
        """The student with the initial weights of a seed, ready to be trained."""
        return STUDENT.build(seed).to(self.device).train()

    def own_teacher(self) -> nn.Module:
        """A copy, for those that change it."""
        return copy.deepcopy(self.teacher)

    def loader(self, seed: int, *before: Any) -> DataLoader[Any]:
        """What tutorials write: torchvision's data set, transforms one by one, shuffled, in this process."""
        steps = [*before, transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        whole = MNIST(self.folder, train=True, transform=transforms.Compose(steps))
        return DataLoader(
            Subset(whole, range(len(self.train[1]))),
            batch_size=BATCH,
            shuffle=True,
            generator=torch.Generator().manual_seed(seed),
        )

    def errors(self, student: nn.Module) -> int:
        """Wrong test cases."""
        student.eval()
        with torch.no_grad():
            wrong = [
                (student(images).argmax(dim=1) != labels).sum()
                for images, labels in zip(*(torch.split(part, 1000) for part in self.test), strict=True)
            ]
        return int(torch.stack(wrong).sum())


class FromMemory:
    """Batches of tensors that are on the device already, in another order each time; like a loader."""

    def __init__(self, job: Job, seed: int) -> None:
        self.images, self.labels = job.train
        self.dataset = self.labels  # libraries ask it for its length alone
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / BATCH)

    def __iter__(self) -> Iterator[Pair]:
        for part in self.order():
            yield self.images[part], self.labels[part]

    def order(self) -> Iterator[Tensor]:
        """The numbers of each batch."""
        numbers = torch.randperm(len(self.labels), generator=self._generator)
        return iter(torch.split(numbers.to(self.labels.device), BATCH))


def sgd(parameters: Iterable[nn.Parameter], *, fused: bool = False) -> torch.optim.Optimizer:
    """The job's optimiser."""
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4, fused=fused)


def make_job(setting: Setting) -> Job:
    """The job, its teacher trained now or by an earlier run."""
    data = load_mnist(setting.data_dir, allow_stand_in=False, allow_download=False)
    pairs: list[Pair] = [
        (images.view(-1, 1, 28, 28).to(setting.device), labels.to(setting.device))
        for images, labels in (
            (data.train_images, data.train_labels),
            (data.test_images, data.test_labels),
        )
    ]
    job = Job(pairs[0], pairs[1], Path(data.where), setting.device)
    if setting.quick:
        job = job.first(20 * BATCH)
    return replace(job, teacher=_teacher(job, setting.out / f"teacher-{len(job.train[1])}.safetensors"))


def _teacher(job: Job, file: Path) -> nn.Module:
    teacher = TEACHER.build(seed=0).to(job.device)
    if file.is_file():
        teacher.load_state_dict(load_file(file, device=str(job.device)))
    else:
        distiller = Distiller(teacher=None, student=teacher, loss=losses.HardLabels(), precision="fp32")
        distiller.fit(job.train, epochs=TEACHER_EPOCHS, batch_size=BATCH)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(teacher.state_dict(), file)
    return teacher.eval().requires_grad_(False)
