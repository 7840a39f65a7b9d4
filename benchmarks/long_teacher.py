"""3,000 epochs of Hinton's teacher: dropout, jitter, limited weight vectors; from what an epoch takes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.mnist_job import TEACHER
from benchmarks.setting import Setting
from benchmarks.tables import number, spread_of
from benchmarks.timing import seconds, spread
from distillkit import Distiller, MaxNorm, losses, transfer_sets
from distillkit.mnist.data.digits import BACKGROUND, load_mnist
from distillkit.workbench import settle_precision

EPOCHS, BATCH, SQUARED_LENGTH = 3000, 100, 15.0


def measure(setting: Setting) -> dict[str, Any]:
    """Seconds of what is done once, of an epoch, and of all of them."""
    data = load_mnist(setting.data_dir, allow_stand_in=False, allow_download=False)
    count = 1000 if setting.quick else len(data.train_labels)
    train = (
        data.train_images[:count].view(-1, 1, 28, 28).to(setting.device),
        data.train_labels[:count].to(setting.device),
    )
    precision = settle_precision("auto", setting.device)
    distiller = Distiller(
        teacher=None,
        student=TEACHER.build(seed=0).to(setting.device),
        loss=losses.HardLabels(),
        transfer_set=transfer_sets.Jitter(pixels=2, fill=BACKGROUND, seed=0),
        optimizer=partial(torch.optim.SGD, lr=0.01, momentum=0.9, fused=True),
        callbacks=[MaxNorm(SQUARED_LENGTH)],
        precision=precision,
    )
    once = seconds(lambda: distiller.fit(train, epochs=1, batch_size=BATCH), setting.device)
    history = distiller.fit(train, epochs=2 if setting.quick else 20, batch_size=BATCH)
    an_epoch = spread(history.attrs["seconds"])
    return {
        "precision": precision,
        "epochs_timed": len(history),
        "seconds_first_epoch": once,
        "seconds_an_epoch": an_epoch,
        "seconds_in_all": once + (EPOCHS - 1) * an_epoch["median"],
    }


def show(results: dict[str, Any]) -> str:
    """The sentence of the page."""
    return (
        f"An epoch takes {spread_of(results['seconds_an_epoch'])} s ({results['precision']}, "
        f"{results['epochs_timed']} epochs timed), the first {number(results['seconds_first_epoch'])} s; so "
        f"{EPOCHS:,} take {number(results['seconds_in_all'] / 60)} minutes."
    )
