"""`MeanTeacher`: the moving average of a student as its teacher."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from distillkit.engine.callbacks import Callback, Watched
from distillkit.errors import ConfigurationError

if TYPE_CHECKING:
    pass


class MeanTeacher(Callback):
    """Keeps a teacher whose weights are the exponential moving average of the student's.

    Give `teacher` to the Distiller as its teacher, or within an `Ensemble`, and this object as a callback.
    After the t-th update each weight becomes d · itself + (1 − d) · the student's, with
    d = min(1 − 1 / (t + 1), decay): the plain average at first, which soon forgets the untrained start.

    The running statistics of normalisation are averaged in the same way, and so are all other buffers of
    finite floating-point numbers; the rest are copied. As every teacher here it answers in evaluation mode:
    without dropout, and by running statistics. Its answers change with each step, so they are never cached.
    It has the student's layers under the same names, for losses that look at them.

    In a loop of your own, which calls no callbacks, call `on_step_end` after each `step`.

    Args:
        student: The Distiller's student, as it is before the training; its weights in 32 bits or more.
        decay: d in the long run, in [0, 1); the average is over some 1 / (1 − d) steps.

    Attributes:
        teacher: The averaged network, a module of its own.
        steps: Updates that it has seen.

    Raises:
        ConfigurationError: `decay` is out of its range, or weights are in 16 bits, in which an average stands
            still.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import Distiller, MeanTeacher, losses
        >>> student = nn.Linear(4, 3)
        >>> mean = MeanTeacher(student, decay=0.99)
        >>> distiller = Distiller(
        ...     teacher=mean.teacher,
        ...     student=student,
        ...     loss=losses.hinton(temperature=1, hard_label_weight=0.5),
        ...     callbacks=[mean],
        ... )
        >>> history = distiller.fit((torch.randn(64, 4), torch.randint(3, (64,))), epochs=2, batch_size=16)
        >>> mean.steps
        8

    Reference:
        Tarvainen, Valpola, Mean Teachers are Better Role Models: Weight-Averaged Consistency Targets Improve
        Semi-Supervised Deep Learning Results, NeurIPS 2017; the ramp of the decay and its default are those
        of the authors' PyTorch code.
    """

    only_watches: ClassVar[bool] = True
    changes_teacher: ClassVar[bool] = True

    def __init__(self, student: nn.Module, *, decay: float = 0.999) -> None:
        if not isinstance(student, nn.Module):
            raise ConfigurationError(f"The student must be a torch.nn.Module, got {type(student).__name__}.")
        if not 0 <= decay < 1:
            raise ConfigurationError(f"decay must be in [0, 1), got {decay!r}.")
        if any(weight.dtype in {torch.float16, torch.bfloat16} for weight in student.parameters()):
            raise ConfigurationError(
                "A moving average stands still in 16 bits, whose steps are coarser than its own: keep the "
                "student's weights in float32, and use precision='bf16' or 'fp16' to compute in 16 bits."
            )
        self.teacher: nn.Module = copy.deepcopy(student).requires_grad_(False).eval()
        self.steps = 0
        self._student, self._decay = student, decay
        # a mask of −∞ has no average
        self._averaged = {
            name
            for name, buffer in student.named_buffers()
            if buffer.is_floating_point() and bool(buffer.isfinite().all())
        }

    def on_fit_start(self, distiller: Watched, epochs: int, steps: int) -> None:
        """See that it is the Distiller's teacher, and averages its student.

        Raises:
            ConfigurationError: It does not.
        """
        taught_by = [] if distiller.teacher is None else distiller.teacher.modules()
        if distiller.student is not self._student or not any(part is self.teacher for part in taught_by):
            raise ConfigurationError(
                "A MeanTeacher is for the student that it was made from, and teaches it: "
                "mean = MeanTeacher(student), then Distiller(teacher=mean.teacher, student=student, "
                "callbacks=[mean], ...)."
            )

    @torch.no_grad()
    def on_step_end(self, distiller: Watched, step: int) -> None:
        """Follow the student, which has just been updated."""
        self.steps += 1
        averages: list[Tensor] = list(self.teacher.parameters())
        now: list[Tensor] = list(self._student.parameters())
        buffers = dict(self._student.named_buffers())
        for name, buffer in self.teacher.named_buffers():
            if name in self._averaged:
                averages.append(buffer)
                now.append(buffers[name])
            else:
                buffer.copy_(buffers[name])
        decay = min(1 - 1 / (self.steps + 1), self._decay)
        # as torch.optim.swa_utils does it: one call for all
        torch._foreach_lerp_(averages, now, 1 - decay)
