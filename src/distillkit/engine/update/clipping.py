"""Clipping by the global norm, with as few passes over the gradients as the optimiser allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from distillkit.engine.torch_internals import divides_gradients


def clipping_for(
    optimizer: Optimizer, parameters: Sequence[nn.Parameter], clip_norm: float, *, scaled: bool
) -> Callable[[], object]:
    """Return what makes the context of an optimiser's step, in which the gradients count as clipped.

    A fused optimiser divides the gradients by a number as it reads them, as it does for a gradient scaler, so
    they are read once more for their norm and not written. Any other gets gradients that are clipped before.

    Args:
        optimizer: The one that steps.
        parameters: Whose gradients are clipped.
        clip_norm: The largest global norm, > 0.
        scaled: Whether a gradient scaler uses the same way already.
    """
    fused = divides_gradients(optimizer)
    # the kernels of a CPU read the number in the type of the weights
    single = all(parameter.dtype == torch.float32 for parameter in parameters)
    if scaled or not fused or not single:
        return lambda: _clipped_before(parameters, clip_norm)
    return lambda: _clipped_by(optimizer, parameters, clip_norm)


@contextmanager
def _clipped_before(parameters: Sequence[nn.Parameter], clip_norm: float) -> Iterator[None]:
    clip_grads_with_norm_(parameters, clip_norm, _norm(parameters))
    yield


@contextmanager
def _clipped_by(optimizer: Optimizer, parameters: Sequence[nn.Parameter], clip_norm: float) -> Iterator[None]:
    # torch's own clipping multiplies by clip_norm / (norm + 1e-6) where that is below 1; a fused optimiser
    # divides by its grad_scale, which the class does not declare
    optimizer.grad_scale = ((_norm(parameters) + 1e-6) / clip_norm).clamp_(min=1.0)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del optimizer.grad_scale  # type: ignore[attr-defined]


def _norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return get_total_norm(gradients) if gradients else torch.zeros(())
