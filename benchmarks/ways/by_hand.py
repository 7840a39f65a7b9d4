"""The same loop as an expert writes it for this one job."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, FromMemory, Job, sgd
from benchmarks.timing import Clock

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The forward pass in a precision."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, dtype=_TYPES[precision])


def train(job: Job, seed: int, epochs: int, clock: Clock, *, precision: str) -> nn.Module:
    """Tensors in memory, the teacher's logits computed once, fused SGD, no loss read."""
    student = job.student(seed)
    optimizer = sgd(student.parameters(), fused=True)
    images, labels = job.train
    with clock.doing_once(), torch.no_grad(), autocast(precision, job.device):
        kept = torch.cat([job.teacher(part) for part in torch.split(images, 1000)]).float()
    batches = FromMemory(job, seed)
    for _ in range(epochs):
        with clock.epoch():
            for numbers in batches.order():
                with autocast(precision, job.device):
                    logits = student(images[numbers])
                loss = loss_of(logits.float(), kept[numbers], labels[numbers])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
    return student


def loss_of(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """The job's loss, of float32 logits."""
    soft = F.kl_div(
        F.log_softmax(student / TEMPERATURE, dim=1),
        F.log_softmax(teacher / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels)
    return HARD_LABEL_WEIGHT * hard + (1 - HARD_LABEL_WEIGHT) * TEMPERATURE**2 * soft
