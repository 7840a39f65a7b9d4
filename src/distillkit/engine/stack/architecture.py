"""The architecture of students: those of one architecture can be trained by one computation."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.engine.torch_internals import ATTRIBUTES_OF_MODULES, gradient_has_hooks, has_hooks

_PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device)


def obstacle(module: nn.Module) -> str | None:
    """Return why `module` cannot be in a stack, in a few words; `None` where nothing stands against it."""
    if has_hooks(module):
        return "it has hooks"
    if any(isinstance(part, nn.Embedding) and part.padding_idx is not None for part in module.modules()):
        return "torch's mapping spares the padding row of one student only"
    tensors = [*module.parameters(), *module.buffers()]
    if any(gradient_has_hooks(tensor) for tensor in tensors):
        return "its weights have hooks"
    if len(tensors) < len(_named(module)):
        return "some of its parameters are tied"
    kinds = {Tensor, nn.Parameter, nn.Buffer}
    if any(type(tensor) not in kinds or tensor.layout is not torch.strided for tensor in tensors):
        return "some of its parameters are no plain tensors"
    return None


def fingerprint(module: nn.Module) -> Hashable:
    """Return a key that is equal for modules that differ only in the values of parameters and buffers.

    They have the same parts under the same names, with the same settings (numbers and strings compared by
    value, all else by identity), and tensors of the same shapes.
    """
    parts = tuple(
        (name, type(part), tuple((key, _value(value)) for key, value in sorted(vars(part).items())
                                 if key not in ATTRIBUTES_OF_MODULES))
        for name, part in module.named_modules(remove_duplicate=False)
    )  # fmt: skip
    tensors = tuple(
        (name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in _named(module)
    )
    return parts, tensors


def _named(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]


def _value(value: Any) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_value(part) for part in value)
    return "the object", id(value)
