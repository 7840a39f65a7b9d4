"""Checks of losses on logits."""

from __future__ import annotations

import torch

from distillkit.losses import Loss
from distillkit.testing.case import Case, close, logits, made, value
from distillkit.testing.promise import promise
from distillkit.typing import Outputs

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def takes_tokens(loss: Loss) -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    case = logits()
    adapters = made(loss, case)
    student, teacher = (side.logits.view(2, 3, -1) for side in (case.student, case.teacher))
    tokens = Case(Outputs(student), Outputs(teacher), case.labels.view(2, 3))
    same = close(value(loss, tokens, adapters), value(loss, case, adapters))
    promise(same, loss, "is another number where its rows are the tokens of several examples")


def leads_to_the_teachers_answer(loss: Loss) -> None:
    """From nearly equal logits, with a teacher that is right, a hundred steps lead to its predictions."""
    case = logits(size=12)
    labels = case.teacher.logits.argmax(dim=-1)
    adapters = made(loss, case)
    moving = Case(Outputs(0.01 * case.student.logits), case.teacher, labels).moving()
    optimizer = torch.optim.Adam(moving.leaves(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        value(loss, moving, adapters).backward()
        optimizer.step()
    same = torch.equal(moving.student.logits.argmax(dim=-1), labels)
    promise(same, loss, "does not lead to what the teacher and the labels say")


def ignores_the_order_of_classes(loss: Loss) -> None:
    """Renaming the classes on both sides and in the labels changes nothing, and permutes the gradient."""
    case = logits()
    adapters = made(loss, case)
    order = torch.tensor([3, 0, 4, 1, 2])
    plain = case.moving()
    student, teacher = (side.logits[:, order] for side in (case.student, case.teacher))
    renamed = Case(Outputs(student), Outputs(teacher), order.argsort()[case.labels]).moving()
    before, after = value(loss, plain, adapters), value(loss, renamed, adapters)
    promise(close(after, before), loss, "changes when the classes are put into another order on both sides")
    (gradient,) = torch.autograd.grad(before, plain.leaves())
    (of_renamed,) = torch.autograd.grad(after, renamed.leaves())
    same = close(of_renamed, gradient[:, order])
    promise(same, loss, "its gradient does not follow the classes into another order")


def is_finite_for_extreme_logits(loss: Loss) -> None:
    """Logits of ±10,000 on the wrong classes give a scalar in float32 or better, and finite gradients."""
    for dtype in _DTYPES:
        said = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], dtype=dtype)
        case = Case(Outputs(said), Outputs(-said), torch.tensor([1, 0]))
        moving = case.moving()
        found = value(loss, moving, made(loss, case))
        is_precise(loss, found, dtype)
        found.backward()
        gradient = moving.student.logits.grad
        finite = found.isfinite() and gradient is not None and gradient.isfinite().all()
        promise(finite, loss, f"or its gradient is not finite for logits of ±10,000 in {dtype}")


def is_0_for_one_class(loss: Loss) -> None:
    """One example with one class is certain."""
    case = Case(Outputs(torch.tensor([[2.0]])), Outputs(torch.tensor([[-1.0]])), torch.tensor([0]))
    found = value(loss, case, made(loss, case)).item()
    promise(found == 0, loss, f"is {found:g} where there is one class")


def is_precise(loss: Loss, found: torch.Tensor, dtype: torch.dtype) -> None:
    """Hold the loss of inputs of a precision to be a scalar in float32 or better."""
    promise(found.shape == (), loss, f"must be a scalar, and has the shape {list(found.shape)}")
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    told = f"is computed in {found.dtype} where what it sees is {dtype}, not {wanted}"
    promise(found.dtype == wanted, loss, told)
