"""Some positions at a time: the same loss and gradient, masks, and what is kept in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import chunked_kl, distillation_kl
from distillkit.losses import ChunkedSoftTargets, SoftTargets
from distillkit.typing import Outputs

STUDENT, TEACHER = (
    torch.randn(2, 3, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
)
MASK = torch.tensor([[True, True, False, True], [False] * 4, [True, False, False, True]])


def both(student: Tensor, mask: Tensor | None = None, rows: int = 5, t: float = 4.0) -> tuple[Tensor, Tensor]:
    """The chunked loss and its gradient."""
    leaf = student.clone().requires_grad_()
    found = chunked_kl(student=leaf, teacher=TEACHER, temperature=t, rows_at_once=rows, mask=mask)
    return found, torch.autograd.grad(found * 3, leaf)[0] / 3


@pytest.mark.parametrize("rows", [1, 5, 12, 1000])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_equals_the_loss_of_all_rows_at_once(rows: int, temperature: float) -> None:
    """However many rows are held, and where they do not divide the batch, loss and gradient are the same."""
    leaf = STUDENT.clone().requires_grad_()
    expected = distillation_kl(student=leaf, teacher=TEACHER, temperature=temperature)
    found, gradient = both(STUDENT, rows=rows, t=temperature)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_masked_positions_are_as_if_they_were_not_there(temperature: float) -> None:
    """The mean is over the others alone, and no gradient reaches them, not even from what is not finite."""
    leaf = STUDENT.clone().requires_grad_()
    expected = distillation_kl(student=leaf[MASK], teacher=TEACHER[MASK], temperature=temperature)
    (expected_gradient,) = torch.autograd.grad(expected, leaf)
    for nonsense in (0.0, torch.nan, torch.inf):
        found, gradient = both(STUDENT.masked_fill(~MASK.unsqueeze(-1), nonsense), MASK, t=temperature)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(gradient, expected_gradient)


def test_nothing_counts() -> None:
    """Where all positions are masked the loss and its gradient are 0."""
    found, gradient = both(STUDENT, torch.zeros_like(MASK))
    assert found.item() == 0
    assert not gradient.any()


def test_labels_of_minus_100_do_not_count() -> None:
    """The mask comes from the labels, as cross-entropy has it; without labels all positions count."""
    labels = torch.where(MASK, 2, -100)
    loss = ChunkedSoftTargets(temperature=2, rows_at_once=2)
    found = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=labels)
    sides = {"student": Outputs(STUDENT[MASK]), "teacher": Outputs(TEACHER[MASK])}
    torch.testing.assert_close(found, SoftTargets(temperature=2)(**sides, labels=None))
    unlabelled = loss(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    whole = SoftTargets(temperature=2)(student=Outputs(STUDENT), teacher=Outputs(TEACHER), labels=None)
    torch.testing.assert_close(unlabelled, whole)


def test_nothing_of_the_size_of_the_logits_is_made_or_kept() -> None:
    """For the backward pass the logits themselves are kept; nothing else has more than a chunk's numbers."""
    student, teacher = (torch.randn(64, 50, dtype=torch.bfloat16) for _ in range(2))
    student.requires_grad_()
    kept: list[Tensor] = []

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            made = func(*args, **(kwargs or {}))
            if isinstance(made, Tensor) and made.dtype == torch.float32:
                self.largest = max(self.largest, made.untyped_storage().nbytes())
            return made

    with (
        Sizes() as forward,
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda t: t),
    ):
        loss = chunked_kl(student=student, teacher=teacher, temperature=2.0, rows_at_once=4)
    with Sizes() as backward:
        loss.backward()
    assert max(forward.largest, backward.largest) == 4 * 50 * 4
    memory = {student.untyped_storage().data_ptr(), teacher.untyped_storage().data_ptr()}
    assert {tensor.untyped_storage().data_ptr() for tensor in kept if tensor.numel() > 64} == memory
    assert student.grad is not None
    assert student.grad.dtype == torch.bfloat16


def test_gradcheck() -> None:
    """Torch's finite differences confirm the gradient, with a mask and a class that is ruled out."""
    student = STUDENT.clone()
    assert torch.autograd.gradcheck(
        lambda z: chunked_kl(student=z, teacher=TEACHER, temperature=2.0, rows_at_once=5, mask=MASK),
        (student.requires_grad_(),),
    )
    masked = torch.full((3, 4, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    found = chunked_kl(
        student=wider, teacher=torch.cat([TEACHER, masked], dim=-1), temperature=4.0, rows_at_once=5
    )
    expected, gradient = both(STUDENT)
    torch.testing.assert_close(found, expected)
    (wider_gradient,) = torch.autograd.grad(found, wider)
    torch.testing.assert_close(wider_gradient[..., :7], gradient)
    assert not wider_gradient[..., 7].any()


def test_temperatures_can_be_mapped_over() -> None:
    """A stack of students with a temperature each is computed as one, gradients too."""
    temperatures = torch.tensor([1.0, 4.0, 20.0], dtype=torch.float64)
    students = torch.stack([STUDENT, STUDENT * 2, TEACHER + 1])

    def one(student: Tensor, temperature: Tensor) -> Tensor:
        loss = ChunkedSoftTargets(rows_at_once=5).model_copy(update={"temperature": temperature})
        return loss(student=Outputs(student), teacher=Outputs(TEACHER), labels=None)

    found, leaf = torch.func.vmap(one)(students, temperatures), students.clone().requires_grad_()
    torch.func.vmap(one)(leaf, temperatures).sum().backward()
    assert leaf.grad is not None
    for number, temperature in enumerate(temperatures.tolist()):
        expected, gradient = both(students[number], t=temperature)
        torch.testing.assert_close(found[number], expected)
        torch.testing.assert_close(leaf.grad[number], gradient)


def test_what_is_refused() -> None:
    """Logits and masks of other shapes; no teacher; no rows at once."""
    with pytest.raises(ConfigurationError, match="one shape"):
        chunked_kl(student=STUDENT, teacher=TEACHER[..., :1], temperature=1.0, rows_at_once=5)
    with pytest.raises(ConfigurationError, match=r"must be \[3, 4\] for logits of \[3, 4, 7\]; got \[4, 3\]"):
        both(STUDENT, MASK.T)
    with pytest.raises(ConfigurationError, match="ChunkedSoftTargets compares the student with a teacher"):
        ChunkedSoftTargets()(student=Outputs(STUDENT), teacher=None, labels=None)
    with pytest.raises(ConfigurationError, match=r"^rows_at_once: "):
        ChunkedSoftTargets(rows_at_once=0)
