"""KD-Lib: `VanillaKD.train_student`."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, Job, sgd
from benchmarks.peers import Batches
from benchmarks.timing import Clock

PACKAGE = "KD-Lib"
NOTE = (
    "With a KL divergence as its loss_fn (its default is a squared error of probabilities). It evaluates "
    "after each epoch, here on 1,000 training images, and keeps the best epoch."
)
_ONLY_IMPORTED = {
    "torch.utils.tensorboard": ("SummaryWriter",),
    "torchtext": (),
    "torchtext.legacy": ("data",),
    "transformers": ("AdamW", "BertForSequenceClassification", "BertTokenizer"),
}


class _KL(nn.Module):
    """T² is its own; it gives probabilities, the teacher's first."""

    def forward(self, teacher: Tensor, student: Tensor) -> Tensor:
        return nn.functional.kl_div(student.log(), teacher, reduction="batchmean")


def train(job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
    """Its own loop, cut into epochs by what it validates on."""
    with _standing_in_for_what_is_only_imported():
        from KD_Lib.KD import VanillaKD  # type: ignore[import-not-found]

    student, teacher = job.student(seed), job.own_teacher()
    validation = _Validation(job)
    distiller = VanillaKD(
        teacher,
        student,
        batches,
        validation,
        None,
        sgd(student.parameters()),
        loss_fn=_KL(),
        temp=TEMPERATURE,
        distil_weight=1 - HARD_LABEL_WEIGHT,
        device=job.device.type,
    )
    began = time.perf_counter()
    # it makes a folder "models" where it runs
    with (
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory() as elsewhere,
        contextlib.chdir(elsewhere),
    ):
        distiller.train_student(epochs=epochs, plot_losses=False, save_model=False)
    ends = [began, *validation.asked_at]
    clock.epochs += [after - before for before, after in pairwise(ends)]
    return student


class _Validation:
    """One batch, and when it was asked for: after each epoch."""

    def __init__(self, job: Job) -> None:
        self._batch = tuple(part[:1000] for part in job.train)
        self.dataset = self._batch[1]
        self.asked_at: list[float] = []

    def __iter__(self) -> Any:
        self.asked_at.append(time.perf_counter())
        return iter([self._batch])


@contextlib.contextmanager
def _standing_in_for_what_is_only_imported() -> Iterator[None]:
    """Its package imports a writer of TensorBoard and libraries for text, which this job does not use."""
    absent = {name: ModuleType(name) for name in _ONLY_IMPORTED if not _can_be_imported(name)}
    for name, module in absent.items():
        for attribute in _ONLY_IMPORTED[name]:
            setattr(module, attribute, nn.Identity)
    sys.modules |= absent
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _can_be_imported(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
