"""The weights of several students, stacked into one tensor for each name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedWeights:
    """Parameters and buffers of students of one architecture, one tensor `[students, ...]` for each name.

    Until `release`, each student's own parameters are views of these tensors, so a student can be evaluated,
    or changed in place by a callback, at any time.

    Attributes:
        trainable: The parameters that get gradients, as leaves.
        fixed: The other parameters, and the buffers.
    """

    def __init__(self, students: Sequence[nn.Module]) -> None:
        self._views: list[tuple[Tensor, Tensor]] = []
        self.trainable: dict[str, Tensor] = {}
        self.fixed: dict[str, Tensor] = {}
        for name, tensor in named_tensors(students[0]).items():
            own = [named_tensors(student)[name] for student in students]
            stacked = torch.stack([one.detach() for one in own])
            (self.trainable if tensor.requires_grad else self.fixed)[name] = stacked
            for place, one in enumerate(own):
                view = stacked[place]
                one.grad = None
                one.data = view
                self._views.append((one, view))
        for stacked in self.trainable.values():
            stacked.requires_grad_()

    def all(self) -> dict[str, Tensor]:
        """Return trainable and fixed tensors together."""
        return {**self.trainable, **self.fixed}

    @torch.no_grad()
    def take_back(self) -> None:
        """Copy tensors that a callback has put in (`parameter.data = …`), and restore the views."""
        for own, view in self._views:
            if own.data_ptr() != view.data_ptr():
                view.copy_(own.detach())
                own.data = view

    def release(self) -> None:
        """Give every student weights in memory of their own again."""
        self.take_back()
        for own, _ in self._views:
            own.data = own.detach().clone()


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def stacked_copies(students: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Return stacked copies of the students' parameters and buffers, as leaves."""
    named = [named_tensors(student) for student in students]
    return {
        name: torch.stack([one[name].detach() for one in named]).requires_grad_(tensor.requires_grad)
        for name, tensor in named[0].items()
    }
