"""torchdistill: `DistillationBox` with `KDLoss`, the loop of its documentation."""

from __future__ import annotations

import logging
from typing import Any

from torch import nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, Job
from benchmarks.peers import Batches
from benchmarks.timing import Clock

PACKAGE = "torchdistill"
NOTE = "The loader is put into the box, which otherwise builds the same one from a configuration."


def train(job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
    """The box's calls, in the order of its documentation."""
    from torchdistill.core.distillation import DistillationBox  # type: ignore[import-not-found]

    logging.getLogger("torchdistill").setLevel(logging.ERROR)
    student = job.student(seed)
    config = _config(epochs)
    box = DistillationBox(job.own_teacher(), student, {}, config, job.device, None, False, 1)
    box.train_data_loader = batches
    for epoch in range(epochs):
        with clock.epoch():
            box.pre_epoch_process(epoch=epoch)
            for images, labels in box.train_data_loader:
                box.pre_forward_process()
                loss = box.forward_process(images.to(job.device), labels.to(job.device), None)
                box.post_forward_process(loss)
            box.post_epoch_process()
    box.clean_modules()
    return student


def _config(epochs: int) -> dict[str, Any]:
    output = {
        "student_module_path": ".",
        "student_module_io": "output",
        "teacher_module_path": ".",
        "teacher_module_io": "output",
    }
    settings = {**output, "temperature": TEMPERATURE, "alpha": HARD_LABEL_WEIGHT, "reduction": "batchmean"}
    terms = {"kd": {"criterion": {"key": "KDLoss", "kwargs": settings}, "weight": 1.0}}
    return {
        "num_epochs": epochs,
        "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
        "student": {"forward_proc": "forward_batch_only", "requires_grad": True},
        "optimizer": {"key": "SGD", "kwargs": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}},
    }
