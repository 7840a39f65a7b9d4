"""A teacher of 784-1200-1200-10 with dropout on jittered images: the tutorial's loader, and `fit`."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import nn
from torchvision import transforms

from benchmarks.mnist_job import BATCH, TEACHER, Job, Way, make_job, sgd
from benchmarks.one_student import REFERENCE, compare, table_of
from benchmarks.setting import Setting
from benchmarks.timing import Clock, now
from distillkit import Distiller, losses, transfer_sets
from distillkit.workbench import SettledPrecision

PIXELS = 2
EPOCHS = 10
"""Enough work for `compile="auto"` to compile what it compiles in a whole training."""


def measure(setting: Setting) -> dict[str, Any]:
    """Both ways in turn, each from the same initial weights, which are others each round."""
    ways: dict[str, Way] = {REFERENCE: tutorial}
    for precision in setting.precisions:
        ways[f"Distiller.fit, {precision}"] = partial(fit, precision=precision)
    epochs = 1 if setting.quick else EPOCHS
    return {
        "epochs": epochs,
        "rounds": setting.rounds,
        "ways": compare(ways, make_job(setting), setting.rounds, epochs),
    }


def tutorial(job: Job, seed: int, epochs: int, clock: Clock) -> nn.Module:
    """`RandomAffine` before the other transforms, one image after another."""
    teacher = TEACHER.build(seed).to(job.device).train()
    loader = job.loader(seed, transforms.RandomAffine(degrees=0, translate=(PIXELS / 28, PIXELS / 28)))
    optimizer = sgd(teacher.parameters())
    for _ in range(epochs):
        running_loss = 0.0
        with clock.epoch():
            for images, labels in loader:
                loss = F.cross_entropy(teacher(images.to(job.device)), labels.to(job.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                running_loss += loss.item()
    return teacher


def fit(job: Job, seed: int, epochs: int, clock: Clock, *, precision: SettledPrecision) -> nn.Module:
    """The same shifts in distribution, on tensors."""
    distiller = Distiller(
        teacher=None,
        student=TEACHER.build(seed).to(job.device),
        loss=losses.HardLabels(),
        transfer_set=transfer_sets.Jitter(pixels=PIXELS, fill=-1.0, shifts="rounded", seed=seed),
        optimizer=partial(sgd, fused=True),
        precision=precision,
        seed=seed,
    )
    began = now(job.device)
    history = distiller.fit(job.train, epochs=epochs, batch_size=BATCH)
    whole = now(job.device) - began
    clock.epochs += history.attrs["seconds"]
    clock.once += whole - sum(history.attrs["seconds"])
    return distiller.student


def show(results: dict[str, Any]) -> str:
    """The table of the page."""
    note = f"Batch {BATCH}, {results['epochs']} epochs, {results['rounds']} rounds."
    return f"{note}\n\n{table_of(results['ways'])}"
