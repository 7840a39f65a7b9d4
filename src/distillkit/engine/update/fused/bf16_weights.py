"""bfloat16 copies of a student's weights, used in their place where autocast would cast them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distillkit.engine.torch_internals import parameter_places

CAST = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules of which autocast casts every weight to bfloat16."""


class Bf16Weights:
    """A bfloat16 leaf for each weight that is cast; the other trained parameters are their own leaves.

    Attributes:
        leaves: The tensor that gets the gradient of each trained parameter while the copies are in place.
    """

    def __init__(self, student: nn.Module) -> None:
        self.leaves: dict[Tensor, Tensor] = {
            parameter: parameter for parameter in student.parameters() if parameter.requires_grad
        }
        self._places: list[tuple[dict[str, nn.Parameter | None], str, nn.Parameter, nn.Parameter]] = []
        for part in student.modules():
            if type(part) in CAST:
                place = parameter_places(part)
                for name, own in place.items():
                    if own is not None and own.requires_grad and own.dtype == torch.float32:
                        copy = self.leaves[own] = _copy_of(own, self.leaves[own])
                        self._places.append((place, name, own, copy))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the copies in the weights' places, for a pass forward and back."""
        for place, name, _, copy in self._places:
            place[name] = copy
        try:
            yield
        finally:
            for place, name, own, _ in self._places:
                place[name] = own

    @torch.no_grad()
    def renew(self) -> None:
        """Copy the weights again, after they have changed."""
        for _, _, own, copy in self._places:
            copy.copy_(own)

    def forget_gradients(self) -> None:
        """Drop the gradients of weights and copies."""
        for own, leaf in self.leaves.items():
            own.grad = leaf.grad = None

    @torch.no_grad()
    def give_gradients(self) -> None:
        """Move the gradients to the weights, in the weights' precision, as autocast would do."""
        for own, leaf in self.leaves.items():
            if leaf is not own:
                own.grad = None if leaf.grad is None else leaf.grad.to(own.dtype)
                leaf.grad = None


def _copy_of(own: nn.Parameter, leaf: Tensor) -> nn.Parameter:
    """Return the copy of a weight: its leaf, if another module shares the weight and has made one."""
    if isinstance(leaf, nn.Parameter) and leaf is not own:
        return leaf
    return nn.Parameter(own.detach().to(torch.bfloat16))
