"""What every loss on logits promises, as one check for the tests of a loss of your own."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.losses import Loss
from distillkit.typing import Outputs

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def check_loss(loss: Loss) -> None:
    """Hold a loss on logits to what every loss of distillkit promises.

    It goes to YAML and JSON and back; the batch size does not scale it (unless `is_mean_over_examples` says
    so); the names of the classes do not matter; its gradient is that of its value (unless
    `gradient_is_of_the_value` says so); teacher and inputs are left alone; large logits, also in 16 bits,
    keep it finite; its contributions add up to it. That the number is the right one, a test of yours says.

    Args:
        loss: Which looks at logits, and at labels if it likes; at no layers.

    Raises:
        AssertionError: It breaks one of these; says which.

    Example:
        >>> from distillkit.losses import SoftTargets
        >>> check_loss(SoftTargets(temperature=4))
    """
    for check in (_survives_files, _batches, _classes, _gradient, _leaves_alone, _is_finite, _adds_up):
        check(loss)


def _batch(size: int = 6, classes: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    student, teacher = 3 * torch.randn(2, size, classes, generator=generator, dtype=torch.float64)
    return student, teacher, torch.randint(classes, (size,), generator=generator)


def _value(loss: Loss, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=labels)


def _promise(kept: bool, loss: Loss, what: str) -> None:
    if not kept:
        raise AssertionError(f"{loss!r}: {what}.")


def _survives_files(loss: Loss) -> None:
    for again in (Loss.from_yaml(loss.to_yaml()), Loss.from_json(loss.to_json())):
        _promise(again == loss and type(again) is type(loss), loss, f"came back from a file as {again!r}")
        _promise(hash(again) == hash(loss), loss, "is equal to what a file gives back, and its hash is not")


def _batches(loss: Loss) -> None:
    student, teacher, labels = _batch()
    whole = _value(loss, student, teacher, labels)
    _promise(whole.shape == (), loss, f"must be a scalar, and has the shape {list(whole.shape)}")
    singly = torch.stack(
        [_value(loss, student[[i]], teacher[[i]], labels[[i]]) for i in range(len(labels))]
    ).mean()
    if loss.is_mean_over_examples:
        _promise(
            torch.allclose(singly, whole),
            loss,
            f"is {whole.item():g} for a batch, and its examples have the mean {singly.item():g}: average "
            "over the batch, or let is_mean_over_examples be False",
        )
    else:
        _promise(
            not torch.allclose(singly, whole, rtol=1e-3),
            loss,
            "says that it is no mean over the examples, and it is one",
        )


def _classes(loss: Loss) -> None:
    student, teacher, labels = _batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    renamed = _value(loss, student[:, order], teacher[:, order], order.argsort()[labels])
    same = torch.allclose(renamed, _value(loss, student, teacher, labels))
    _promise(same, loss, "changes when the classes are put into another order on both sides")


def _gradient(loss: Loss) -> None:
    student, teacher, labels = _batch(size=3, classes=4)
    right = torch.autograd.gradcheck(
        lambda logits: _value(loss, logits, teacher, labels),
        (student.requires_grad_(),),
        raise_exception=False,
    )
    said = loss.gradient_is_of_the_value
    told = "is not that of its value" if said else "is that of its value, and the loss says that it is not"
    _promise(right == said, loss, f"its gradient {told}, by finite differences in float64")


def _leaves_alone(loss: Loss) -> None:
    student, teacher, labels = _batch()
    before = [one.clone() for one in (student, teacher, labels)]
    _value(loss, student.requires_grad_(), teacher, labels).backward()  # type: ignore[no-untyped-call]
    same = all(torch.equal(one, other) for one, other in zip(before, (student, teacher, labels), strict=True))
    _promise(same, loss, "writes to its inputs")
    _promise(not teacher.requires_grad, loss, "asks for gradients of the teacher")


def _is_finite(loss: Loss) -> None:
    for dtype in _DTYPES:
        logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], dtype=dtype).requires_grad_()
        found = _value(loss, logits, -logits.detach(), torch.tensor([1, 0]))
        wanted = torch.float64 if dtype == torch.float64 else torch.float32
        _promise(
            found.dtype == wanted,
            loss,
            f"is computed in {found.dtype} where logits are {dtype}, not {wanted}",
        )
        found.backward()  # type: ignore[no-untyped-call]
        finite = found.isfinite() and logits.grad is not None and logits.grad.isfinite().all()
        _promise(bool(finite), loss, f"or its gradient is not finite for logits of ±10,000 in {dtype}")


def _adds_up(loss: Loss) -> None:
    student, teacher, labels = _batch()
    parts = loss.contributions(student=Outputs(student), teacher=Outputs(teacher), labels=labels)
    total = torch.stack(list(parts.values())).sum()
    same = torch.allclose(total, _value(loss, student, teacher, labels))
    _promise(same, loss, "its contributions do not add up to it")
