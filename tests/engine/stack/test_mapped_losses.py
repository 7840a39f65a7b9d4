"""The losses of a stack are mapped over, and give what they give one by one."""

from __future__ import annotations

import pytest
import torch

from distillkit.engine.stack.losses import MembersLoss, members_alike
from distillkit.typing import Outputs
from loss_examples import STACKED


@pytest.mark.parametrize("kind", STACKED)
def test_every_kind_is_mapped(kind: str) -> None:
    """None falls back to one after the other; values and gradients are each student's own.

    A loss that relates the examples of a batch relates those of its own student.
    """
    losses = STACKED[kind] * 2
    generator = torch.Generator().manual_seed(0)
    for group in members_alike(losses, [True] * len(losses), [("loss",)] * len(losses)):
        members = len(group.losses)
        student, teacher = torch.randn(2, members, 8, 5, generator=generator) * 3
        labels = torch.randint(5, (members, 8), generator=generator)
        student.requires_grad_()
        loss = MembersLoss(group)
        found = torch.stack([*loss(student, teacher, labels).values()]).sum(dim=0)
        assert loss._mapped
        (gradient,) = torch.autograd.grad(found.sum(), student)
        for member, one in enumerate(group.losses):
            leaf = student[member].detach().requires_grad_()
            expected = one(student=Outputs(leaf), teacher=Outputs(teacher[member]), labels=labels[member])
            torch.testing.assert_close(found[member], expected, rtol=1e-5, atol=1e-6)
            (own,) = torch.autograd.grad(expected, leaf)
            torch.testing.assert_close(gradient[member], own, rtol=1e-4, atol=1e-6)
