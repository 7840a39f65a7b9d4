"""Checks of every loss, on logits or on features."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.losses import Loss
from distillkit.testing.case import (
    Case,
    case_for,
    close,
    logits,
    looks_at_layers,
    made,
    said,
    small_case_for,
    taught,
    value,
)
from distillkit.testing.promise import promise
from distillkit.typing import Outputs

_NO_MEAN = 1e-3
"""The least difference of a loss from the mean over its examples where it says that it is none."""
_ROUNDED = 0.04
"""The change of a loss that rounding the inputs to bfloat16, which keeps 8 bits, may make."""


def survives_files(loss: Loss) -> None:
    """Check that it goes to YAML and JSON and comes back equal, of its own class, with an equal hash."""
    for again in (Loss.from_yaml(loss.to_yaml()), Loss.from_json(loss.to_json())):
        promise(again == loss and type(again) is type(loss), loss, f"came back from a file as {again!r}")
        promise(hash(again) == hash(loss), loss, "is equal to what a file gives back, and its hash is not")


def ignores_the_batch_size(loss: Loss) -> None:
    """The loss of a batch is the mean of those of its examples, and a batch given twice over has the same.

    A loss that relates examples says so by `needs().whole_batch`, and is indeed no such mean.
    """
    case = case_for(loss)
    adapters = made(loss, case)
    whole = value(loss, case, adapters)
    promise(whole.shape == (), loss, f"must be a scalar, and has the shape {list(whole.shape)}")
    count = len(case.labels)
    singly = torch.stack([value(loss, case.rows([number]), adapters) for number in range(count)]).mean()
    if loss.needs().whole_batch:
        same = torch.isclose(singly, whole, rtol=_NO_MEAN)
        promise(not same, loss, "says that it is no mean over the examples, and it is one")
        return
    promise(
        close(singly, whole),
        loss,
        f"is {whole.item():g} for a batch, and its examples have the mean {singly.item():g}: average "
        "over the batch, or let needs().whole_batch be True",
    )
    twice = value(loss, case.rows([*range(count)] * 2), adapters)
    promise(close(twice, whole), loss, "changes when a batch is given twice over")


def ignores_the_order_of_examples(loss: Loss) -> None:
    """The same batch in another order has the same loss."""
    case = case_for(loss)
    adapters = made(loss, case)
    mixed = value(loss, case.rows([3, 1, 5, 0, 4, 2]), adapters)
    promise(close(mixed, value(loss, case, adapters)), loss, "changes with the order of the examples")


def has_the_gradient_of_its_value(loss: Loss) -> None:
    """Finite differences in float64 confirm the gradient, on features also that of what is learnt.

    A loss of which a part is held fixed says so by `gradient_is_of_the_value`, and they indeed do not.
    """
    on_features = looks_at_layers(loss)
    case = small_case_for(loss)
    adapters = made(loss, case)
    learnt = list(adapters.parameters()) if on_features and adapters is not None else []

    def function(answer: Tensor, *tensors: Tensor) -> Tensor:
        features = dict(zip(case.student.features, tensors, strict=False))
        return value(loss, Case(Outputs(answer, features), case.teacher, case.labels), adapters)

    right = torch.autograd.gradcheck(function, (*case.moving().leaves(), *learnt), raise_exception=False)
    claimed = loss.gradient_is_of_the_value
    told = "is not that of its value" if claimed else "is that of its value, and the loss says that it is not"
    promise(right == claimed, loss, f"its gradient {told}, by finite differences in float64")


def leaves_its_inputs_alone(loss: Loss) -> None:
    """The teacher gets no gradient, the student does, and nothing is written to."""
    before = case_for(loss)
    given = case_for(loss).moving()
    value(loss, given, made(loss, before)).backward()
    taught = [given.teacher.logits, *given.teacher.features.values()]
    kept = [before.teacher.logits, *before.teacher.features.values()]
    same = all(map(torch.equal, [*given.leaves(), *taught], [*before.leaves(), *kept]))
    promise(same and torch.equal(given.labels, before.labels), loss, "writes to its inputs")
    promise(not any(one.requires_grad for one in taught), loss, "asks for gradients of the teacher")
    promise(_reached(loss, given), loss, "no gradient reaches what it looks at of the student")


def adds_up(loss: Loss) -> None:
    """Its named contributions are scalars whose sum it is."""
    case = case_for(loss)
    adapters = made(loss, case)
    student = said(loss, case, adapters)
    parts = loss.at(1).contributions(student=student, teacher=taught(loss, case), labels=case.labels)
    promise(all(part.shape == () for part in parts.values()), loss, "has contributions that are no scalars")
    total = torch.stack([*parts.values()]).sum()
    promise(close(total, value(loss, case, adapters)), loss, "its contributions do not add up to it")


def is_close_in_bfloat16(loss: Loss) -> None:
    """Inputs rounded to bfloat16 cost no more than their own rounding: 4 % of the loss at most.

    Of a loss on features, where nothing is learnt between them.
    """
    case = case_for(loss, size=32) if looks_at_layers(loss) else logits(size=64)
    adapters = made(loss, case)
    if looks_at_layers(loss) and adapters is not None:
        return
    exact, rounded = (value(loss, one, adapters).item() for one in (case, case.cast(torch.bfloat16)))
    promise(
        abs(rounded - exact) <= _ROUNDED * abs(exact),
        loss,
        f"is {exact:g}, and {rounded:g} where what it sees is rounded to bfloat16",
    )


def ignores_autocast(loss: Loss) -> None:
    """Under bfloat16 autocast, where the engine computes it, loss and gradient are the same bits.

    Of a loss on features, where nothing is learnt between them.
    """
    case = case_for(loss).cast(torch.float32)
    adapters = made(loss, case)
    if looks_at_layers(loss) and adapters is not None:
        return
    plain, cast = case.moving(), case.moving()
    expected = value(loss, plain, adapters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = value(loss, cast, adapters)
    promise(torch.equal(found, expected), loss, "is another number under autocast")
    of_one, of_other = (
        torch.autograd.grad(total, side.leaves(), allow_unused=True, materialize_grads=True)
        for total, side in ((found, cast), (expected, plain))
    )
    promise(all(map(torch.equal, of_one, of_other)), loss, "has another gradient under autocast")


def _reached(loss: Loss, case: Case) -> bool:
    looked_at = list(case.student.features.values()) if loss.needs().student_layers else [case.student.logits]
    return all(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in looked_at)
