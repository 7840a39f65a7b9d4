"""The soft-target loss of a large vocabulary, some positions at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32, kl_of_rows, refuse_other_shape


def chunked_kl(
    *,
    student: Tensor,
    teacher: Tensor,
    temperature: float | Tensor,
    rows_at_once: int,
    mask: Tensor | None = None,
) -> Tensor:
    """Return `distillation_kl`, with memory for a few rows' softmax instead of all of them.

    T² · mean over the positions that count of Σ_c p_c (log p_c − log q_c). Neither side's log-softmax is ever
    held whole, nor kept for the backward pass, which computes it again: beside the logits and their gradient
    there are some ten tensors of `rows_at_once` rows in float32.

    Args:
        student: Logits, `[..., classes]`; gradients flow into them.
        teacher: Logits of the same shape; no gradient flows into them. A class may be −∞ on both sides.
        temperature: T > 0.
        rows_at_once: Rows of `[rows, classes]` whose softmax is held at a time, ≥ 1.
        mask: True where a position counts, `[...]`, bool; all do where it is not given. What stands at the
        others
            does not matter, not even where it is not finite.

    Returns:
        A scalar in float32 or better; ≥ 0 up to rounding, and 0 where no position counts.

    Raises:
        ConfigurationError: The logits are not of one shape, or the mask's is not theirs without the classes.

    Example:
        >>> import torch
        >>> teacher, student = torch.tensor([[2.0, 0.0], [5.0, 1.0]]), torch.zeros(2, 2)
        >>> loss = chunked_kl(student=student, teacher=teacher, temperature=1.0, rows_at_once=1,
        ...                   mask=torch.tensor([True, False]))
        >>> round(loss.item(), 4)
        0.3278

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2: the loss.
    """
    refuse_other_shape(student, teacher)
    if mask is not None and mask.shape != student.shape[:-1]:
        raise ConfigurationError(
            f"The mask says which positions count, so its shape must be {list(student.shape[:-1])} for "
            f"logits of {list(student.shape)}; got {list(mask.shape)}."
        )
    classes = student.shape[-1]
    found: Tensor = _ChunkedKL.apply(
        student.reshape(-1, classes),
        teacher.reshape(-1, classes),
        None if mask is None else mask.bool().reshape(-1),
        temperature,
        rows_at_once,
    )
    return found


class _ChunkedKL(torch.autograd.Function):
    """T² times the mean over the counted rows; its gradient is T (q − p) over their number."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        student: Tensor,
        teacher: Tensor,
        counted: Tensor | None,
        temperature: float | Tensor,
        rows_at_once: int,
    ) -> Tensor:
        """The loss."""
        sums = [
            kl_of_rows(log_p, log_q).sum()
            for _, log_q, log_p in _chunks(student, teacher, counted, temperature, rows_at_once)
        ]
        return torch.stack(sums).sum() * temperature**2 / _number(student, counted)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what was given, and nothing of what was computed."""
        student, teacher, counted, temperature, ctx.rows_at_once = inputs
        is_tensor = isinstance(temperature, Tensor)
        ctx.save_for_backward(student, teacher, counted, *([temperature] if is_tensor else []))
        ctx.temperature = None if is_tensor else temperature

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient with respect to the student's logits."""
        student, teacher, counted, *rest = ctx.saved_tensors
        temperature = rest[0] if rest else ctx.temperature
        scale = gradients[0] * temperature / _number(student, counted)
        found = torch.empty_like(student)
        for rows, log_q, log_p in _chunks(student, teacher, counted, temperature, ctx.rows_at_once):
            # a row that does not count has equal logits on both sides here
            found[rows] = (scale * (log_q.exp() - log_p.exp())).to(student.dtype)
        return found, None, None, None, None


def _number(student: Tensor, counted: Tensor | None) -> int | Tensor:
    """How many rows count, at least 1."""
    return len(student) if counted is None else counted.sum().clamp_min(1)


def _chunks(
    student: Tensor, teacher: Tensor, counted: Tensor | None, temperature: float | Tensor, rows_at_once: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Log-probabilities of student and teacher by rows; of rows that do not count, uniform."""
    for start in range(0, len(student), rows_at_once):
        rows = slice(start, start + rows_at_once)
        logits = [at_least_float32(side[rows]) for side in (student, teacher)]
        if counted is not None:
            logits = [side.masked_fill(~counted[rows].unsqueeze(-1), 0.0) for side in logits]
        log_q, log_p = (F.log_softmax(side / temperature, dim=-1) for side in logits)
        yield rows, log_q, log_p
