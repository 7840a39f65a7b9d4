"""Curriculum temperature: learnt against the student."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from distillkit.functional import distillation_kl, reverse_gradient
from distillkit.functional._logits import at_least_float32
from distillkit.losses.base import Loss
from distillkit.schedules import Cosine, Weight
from distillkit.typing import Labels, Outputs


class CTKD(Loss):
    """Soft targets at a temperature that is learnt to make them harder, more and more.

    T² · KL(teacher ‖ student) with T = T₀ + R · σ(a), where a is one number for all examples, learnt beside
    the student. Its gradient is turned round and multiplied by λ: the student goes down the loss, and T goes
    up it. λ grows from 0 to 1, so that the task is easy first.

    The temperature is `temperature` of what was learnt: of `distiller.adapters` where this is the whole loss.
    It moves as fast as the optimiser lets one more parameter move, and weight decay pulls it to T₀ + R / 2.

    The defaults are those of the authors' script for CIFAR-100: T between 1 and 21, and λ along half a cosine
    over 10 of 240 epochs (5 of 120 for ImageNet); set `reversal` for trainings of another length. a begins at
    1 as in their code, so T at 15.6. This is the paper's global temperature; its other one, of each example
    by itself, is not here.

    Example:
        >>> CTKD().at(0)
        CTKD(kind='ctkd', reversal=0.0, lowest_temperature=1.0, temperature_range=20.0)

    Reference:
        Li, Li, Yang, Zhao, Song, Luo, Li, Yang, Curriculum Temperature for Knowledge Distillation, AAAI 2023:
        the global temperature.
    """

    kind: Literal["ctkd"] = "ctkd"
    reversal: Weight = Cosine(start=0.0, end=1.0, share=10 / 240)  # type: ignore[assignment]  # a schedule
    """λ ≥ 0 by which the temperature's gradient is multiplied after it is turned round."""
    lowest_temperature: PositiveFloat = 1.0
    """T₀ > 0, below which T cannot go."""
    temperature_range: PositiveFloat = 20.0
    """R > 0; T cannot go above T₀ + R."""

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """The temperature."""
        return _LearntTemperature(self.lowest_temperature, self.temperature_range)

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        return distillation_kl(
            student=student.logits,
            teacher=self.teacher_logits(teacher),
            temperature=self.learnt(student)(self.reversal),
        )


class _LearntTemperature(nn.Module):
    """One number, and the temperature that it stands for."""

    def __init__(self, lowest: float, width: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.ones(()))
        self._lowest, self._width = lowest, width

    @property
    def temperature(self) -> float:
        """T as it is now."""
        return float(self(0.0).detach())

    def forward(self, reversal: float) -> Tensor:
        """T, whose gradient is turned round on its way to the number."""
        turned = reverse_gradient(at_least_float32(self.number), strength=reversal)
        return self._lowest + self._width * turned.sigmoid()
