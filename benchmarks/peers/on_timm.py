"""timm: `LogitDistillationTask` in a loop of one's own, as its training script has it."""

from __future__ import annotations

from typing import Any

from torch import nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, Job, sgd
from benchmarks.peers import Batches
from benchmarks.timing import Clock

PACKAGE = "timm"
NOTE = "Both networks are given the attributes of timm's own models that the task reads."


def train(job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
    """The task gives the loss, the loop is one's own."""
    from timm.task import LogitDistillationTask  # type: ignore[import-not-found]

    student: nn.Module = _as_timms(job.student(seed))
    teacher = _as_timms(job.own_teacher())
    task = LogitDistillationTask(
        student_model=student,
        teacher_model=teacher,
        criterion=nn.CrossEntropyLoss(),
        task_loss_weight=HARD_LABEL_WEIGHT,
        temperature=TEMPERATURE,
        device=job.device,
        verbose=False,
    )
    optimizer = sgd(task.trainable_module.parameters())
    for _ in range(epochs):
        task.train()
        with clock.epoch():
            for images, labels in batches:
                loss = task(images.to(job.device), labels.to(job.device))["loss"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return student


def _as_timms(network: Any) -> Any:
    network.num_classes, network.in_chans = 10, 1
    network.pretrained_cfg = {"mean": (0.5,), "std": (0.5,)}
    return network
