"""bfloat16 copies of a student's weights, which stand in for them where autocast would cast them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

CAST = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules whose weights autocast casts to bfloat16 wherever they are used as these use them."""


class Bf16Weights:
    """A bfloat16 leaf for each weight that is cast; the other trained parameters are leaves themselves.

    Attributes:
        leaves: For each trained parameter what gets its gradient while the copies stand in.
    """

    def __init__(self, student: nn.Module) -> None:
        self.leaves: dict[Tensor, Tensor] = {
            parameter: parameter for parameter in student.parameters() if parameter.requires_grad
        }
        self._places: list[tuple[dict[str, nn.Parameter | None], str, nn.Parameter, nn.Parameter]] = []
        for part in student.modules():
            if type(part) in CAST:
                for name, own in part._parameters.items():
                    if own is not None and own.requires_grad and own.dtype == torch.float32:
                        copy = self.leaves[own] = _copy_of(own, self.leaves[own])
                        self._places.append((part._parameters, name, own, copy))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The copies in the weights' places, for a pass forward and back."""
        for place, name, _, copy in self._places:
            place[name] = copy
        try:
            yield
        finally:
            for place, name, own, _ in self._places:
                place[name] = own

    @torch.no_grad()
    def renew(self) -> None:
        """Copy the weights again, which may have changed."""
        for _, _, own, copy in self._places:
            copy.copy_(own)

    def forget_gradients(self) -> None:
        """Leave no gradient, of weights or of copies."""
        for own, leaf in self.leaves.items():
            own.grad = leaf.grad = None

    @torch.no_grad()
    def give_gradients(self) -> None:
        """Move the gradients to the weights, in their precision, as autocast would have left them there."""
        for own, leaf in self.leaves.items():
            if leaf is not own:
                own.grad = None if leaf.grad is None else leaf.grad.to(own.dtype)
                leaf.grad = None


def _copy_of(own: nn.Parameter, known: Tensor) -> nn.Parameter:
    """The copy of a weight; the one there is where two modules share the weight."""
    if isinstance(known, nn.Parameter) and known is not own:
        return known
    return nn.Parameter(own.detach().to(torch.bfloat16))
