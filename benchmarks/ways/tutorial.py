"""The loop of every tutorial."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.mnist_job import HARD_LABEL_WEIGHT, TEMPERATURE, Job, sgd
from benchmarks.timing import Clock


def train(job: Job, seed: int, epochs: int, clock: Clock) -> nn.Module:
    """A loader with transforms, the teacher asked again for every batch, float32, `loss.item()`."""
    student, teacher, loader = job.student(seed), job.teacher, job.loader(seed)
    optimizer = sgd(student.parameters())
    for _ in range(epochs):
        running_loss = 0.0
        with clock.epoch():
            for images, labels in loader:
                images, labels = images.to(job.device), labels.to(job.device)  # noqa: PLW2901 - as tutorials do
                with torch.no_grad():
                    teacher_logits = teacher(images)
                student_logits = student(images)
                soft = F.kl_div(
                    F.log_softmax(student_logits / TEMPERATURE, dim=1),
                    F.softmax(teacher_logits / TEMPERATURE, dim=1),
                    reduction="batchmean",
                )
                hard = F.cross_entropy(student_logits, labels)
                loss = HARD_LABEL_WEIGHT * hard + (1 - HARD_LABEL_WEIGHT) * TEMPERATURE**2 * soft
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                running_loss += loss.item()
    return student
