"""Checks of losses on features."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.losses import FeatureLoss, Loss
from distillkit.testing.case import Case, answered, case_for, made, maps_for, paired_names, rows_for, value
from distillkit.testing.on_logits import is_precise
from distillkit.testing.promise import promise
from distillkit.typing import Outputs

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_LEAST_FALL = 0.7
"""Share of a loss by which it falls where it is minimised."""


def is_0_for_equal_layers(loss: Loss) -> None:
    """Where a `FeatureLoss` learns nothing between them, layers that agree have loss 0, and others more."""
    case = case_for(loss)
    of_student, of_teacher = paired_names(loss)
    alone = isinstance(loss, FeatureLoss) and made(loss, case) is None
    if not alone or len({*of_student}) != len(of_student) or len({*of_teacher}) != len(of_teacher):
        return
    names = zip(of_teacher, of_student, strict=True)
    twin = answered(case.student.features, {name: case.student.features[other] for name, other in names})
    agreeing, apart = value(loss, twin, None).item(), value(loss, case, None).item()
    promise(abs(agreeing) < 1e-12, loss, f"is {agreeing:g} where the layers of both sides agree")
    promise(apart > 1e-4, loss, f"is {apart:g} where the layers of both sides do not agree")


def can_be_learnt(loss: Loss) -> None:
    """Three hundred steps on the student's features, and on what is learnt, bring it down by 70 %.

    One that looks at the student's logits too comes down.
    """
    case = case_for(loss)
    adapters = made(loss, case)
    moving = case.moving()
    before = value(loss, moving, adapters)
    (of_logits,) = torch.autograd.grad(before, [moving.student.logits], allow_unused=True, retain_graph=True)
    learnt = [] if adapters is None else list(adapters.parameters())
    optimizer = torch.optim.Adam([*moving.leaves(), *learnt], lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        value(loss, moving, adapters).backward()
        optimizer.step()
    first, last = before.item(), value(loss, moving, adapters).item()
    fall = 0.0 if of_logits is not None else _LEAST_FALL
    told = f"is {first:g}, and {last:g} after three hundred steps that minimise it"
    promise(last < first - fall * abs(first), loss, told)


def is_finite_for_extreme_features(loss: Loss) -> None:
    """Dead layers, 1/10,000 and ±10,000 give a scalar in float32 or better, and finite gradients.

    Gradients that are beyond the largest number of float16 may be infinite in it.
    """
    case = case_for(loss)
    for dtype in _DTYPES:
        for scale in (0.0, 1e-4, 1e4):
            extreme = Case(_scaled(case.student, scale), _scaled(case.teacher, -scale), case.labels)
            found, gradients = _in_precision(loss, case, extreme, dtype)
            is_precise(loss, found, dtype)
            told = f"is not finite for features of up to ±{scale:g} in {dtype}"
            promise(found.isfinite(), loss, told)
            finite = all(bool(one.isfinite().all()) for one in gradients)
            if not finite and dtype == torch.float16:
                finite = not _fits(_in_precision(loss, case, extreme, torch.float32)[1], dtype)
            promise(finite, loss, f"its gradient {told}")


def is_finite_for_equal_examples(loss: Loss) -> None:
    """No distance between examples, no direction from one to another: value and gradient stay finite."""
    case = case_for(loss)
    moving = case.rows([0] * 4).moving()
    found = value(loss, moving, made(loss, case))
    found.backward()
    gradients = [one.grad for one in moving.leaves() if one.grad is not None]
    finite = all(bool(one.isfinite().all()) for one in [found, *gradients])
    promise(finite, loss, "or its gradient is not finite for a batch of equal examples")


def explains_other_shapes(loss: Loss) -> None:
    """Other channels and sizes give a finite loss, with or without adapters, or a `ConfigurationError`."""
    for channels, sides in [((3, 5), (4, 4)), ((5, 5), (4, 8)), ((5, 5), (8, 4)), ((7, 3), (8, 4))]:
        shapes = f"maps of {channels[0]} and {channels[1]} channels on sides of {sides[0]} and {sides[1]}"
        _meets(loss, maps_for(loss, channels=channels, sides=sides), shapes)


def explains_vectors_and_tokens(loss: Loss) -> None:
    """Check that a loss of maps refuses `[batch, numbers]` and `[batch, tokens, numbers]`."""
    for shape in [(7,), (3, 7)]:
        _meets(loss, rows_for(loss, shape), f"features {[6, *shape]}")


def refuses_other_examples(loss: Loss) -> None:
    """Six examples of one side cannot be compared with five of the other: a `ConfigurationError`.

    Where the teacher is not looked at, there is nothing to compare.
    """
    case = case_for(loss)
    adapters = made(loss, case)
    mixed = replace(case, teacher=case.rows([5, 3, 4, 0, 1, 2]).teacher)
    if torch.equal(value(loss, mixed, adapters), value(loss, case, adapters)):
        return
    other = replace(case, teacher=case.rows([*range(5)]).teacher)
    try:
        value(loss, other, adapters)
    except ConfigurationError:
        return
    promise(False, loss, "compares six examples of the student with five of the teacher")


def _meets(loss: Loss, case: Case, shapes: str) -> None:
    try:
        found = value(loss, case, made(loss, case))
    except ConfigurationError:
        return
    except Exception as error:
        told = f"of {shapes} it says {error!r}: raise a ConfigurationError with a sentence"
        raise AssertionError(f"{loss!r}: {told}.") from error
    promise(found.isfinite(), loss, f"is not finite for {shapes}")


def _scaled(said: Outputs, scale: float) -> Outputs:
    logits, *features = (scale * one.clamp(-1, 1) for one in (said.logits, *said.features.values()))
    return Outputs(logits, dict(zip(said.features, features, strict=True)))


def _in_precision(loss: Loss, case: Case, extreme: Case, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
    """Value and gradients in a precision; what is learnt stays in float32, and autocast meets it."""
    moving = extreme.cast(dtype).moving()
    adapters: nn.Module | None = made(loss, case.cast(dtype))
    meets = adapters is not None and dtype.itemsize == 2
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=meets):
        found = value(loss, moving, adapters)
    found.backward()
    return found, [one.grad for one in moving.leaves() if one.grad is not None]


def _fits(gradients: list[Tensor], dtype: torch.dtype) -> bool:
    return all(bool((one.abs() <= torch.finfo(dtype).max).all()) for one in gradients)
