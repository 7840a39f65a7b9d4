"""Gradients of several losses at one student, in float64: they are looked at, not trained with."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distillkit.typing import LossFn, Outputs

TEMPERATURES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""At which gradients are looked at: from the softmax itself to where only the limit is left."""


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of a loss that is a mean over cases."""

    logits: Tensor
    """`[cases, classes]`: row by row, of that case's own loss with respect to its logits."""
    weights: Tensor
    """`[weights]`: of the mean loss with respect to all parameters."""


class GradientProbe:
    """A student and its teacher on some cases, both as they are in evaluation mode; neither is changed.

    The work is done on the CPU, since not every device has float64.

    Args:
        student: Gives `[cases, classes]`.
        teacher: Gives logits of the same shape.
        inputs: `[cases, ...]`.
        labels: `[cases]`, int64, for losses that need them.

    Example:
        >>> from distillkit.losses import SoftTargets
        >>> _ = torch.manual_seed(0)
        >>> probe = GradientProbe(nn.Linear(4, 3), nn.Linear(4, 3), torch.ones(5, 4))
        >>> gradient = probe.gradient(SoftTargets(temperature=2))
        >>> gradient.logits.shape, gradient.weights.shape, gradient.logits.dtype
        (torch.Size([5, 3]), torch.Size([15]), torch.float64)
    """

    def __init__(
        self, student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor | None = None
    ) -> None:
        double = inputs.cpu().double()
        own_student = deepcopy(student).cpu().double().eval()
        self._parameters = list(own_student.parameters())
        self.student_logits: Tensor = own_student(double)
        with torch.no_grad():
            self.teacher_logits: Tensor = deepcopy(teacher).cpu().double().eval()(double)
        self._labels = None if labels is None else labels.cpu()

    def gradient(self, loss: LossFn) -> Gradient:
        """The gradient of a loss."""
        value = loss(
            student=Outputs(self.student_logits), teacher=Outputs(self.teacher_logits), labels=self._labels
        )
        (by_logits,) = torch.autograd.grad(value, self.student_logits, retain_graph=True)
        by_weights = torch.autograd.grad(
            self.student_logits, self._parameters, grad_outputs=by_logits, retain_graph=True
        )
        return Gradient(by_logits * len(by_logits), torch.cat([each.flatten() for each in by_weights]))
