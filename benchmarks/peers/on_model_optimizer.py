"""NVIDIA Model Optimizer: `modelopt.torch.distill`, as its documentation has it."""

from __future__ import annotations

import warnings
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, Job, sgd
from benchmarks.peers import Batches
from benchmarks.timing import Clock

PACKAGE = "nvidia-modelopt"
NOTE = "With reduction='batchmean': its default divides the soft term by the number of classes besides."


class _Wrapped(nn.Module):
    """It cannot convert an `nn.Sequential`, whose forward pass calls all that is put into it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(images)


def train(job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
    """The converted student runs the teacher too; the loop is one's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import modelopt.torch.distill as mtd  # type: ignore[import-not-found]

        config = {
            "teacher_model": _Wrapped(job.own_teacher()),
            "criterion": mtd.LogitsDistillationLoss(temperature=TEMPERATURE, reduction="batchmean"),
            "loss_balancer": mtd.StaticLossBalancer(1 - HARD_LABEL_WEIGHT),
        }
        model: Any = mtd.convert(_Wrapped(job.student(seed)), mode=[("kd_loss", config)])
    optimizer = sgd(model.parameters())
    for _ in range(epochs):
        model.train()
        with clock.epoch():
            for images, labels in batches:
                hard = F.cross_entropy(model(images.to(job.device)), labels.to(job.device))
                loss = model.compute_kd_loss(student_loss=hard)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    network: nn.Module = mtd.export(model).network
    return network
