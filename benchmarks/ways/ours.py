"""distillkit's two ways: `fit`, and `step` in one's own loop."""

from __future__ import annotations

from functools import partial

from torch import nn

from benchmarks.mnist_job import BATCH, HARD_LABEL_WEIGHT, TEMPERATURE, FromMemory, Job, sgd
from benchmarks.timing import Clock, now
from distillkit import Distiller, losses
from distillkit.workbench import SettledPrecision


def fit(job: Job, seed: int, epochs: int, clock: Clock, *, precision: SettledPrecision) -> nn.Module:
    """`Distiller.fit` on tensors; what it does once (the teacher's answers) is all but its epochs."""
    distiller = _distiller(job, seed, precision)
    began = now(job.device)
    history = distiller.fit(job.train, epochs=epochs, batch_size=BATCH)
    whole = now(job.device) - began
    clock.epochs += history.attrs["seconds"]
    clock.once += whole - sum(history.attrs["seconds"])
    return distiller.student


def step(job: Job, seed: int, epochs: int, clock: Clock, *, precision: SettledPrecision) -> nn.Module:
    """`Distiller.step` on batches from memory; the teacher answers live."""
    distiller = _distiller(job, seed, precision)
    batches = FromMemory(job, seed)
    for _ in range(epochs):
        with clock.epoch():
            for batch in batches:
                distiller.step(batch)
    return distiller.student


def _distiller(job: Job, seed: int, precision: SettledPrecision) -> Distiller:
    return Distiller(
        teacher=job.teacher,
        student=job.student(seed),
        loss=losses.hinton(temperature=TEMPERATURE, hard_label_weight=HARD_LABEL_WEIGHT),
        optimizer=partial(sgd, fused=True),
        precision=precision,
        seed=seed,
    )
