"""Which students are of one architecture, so that one computation can train them all."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

_PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device)
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_HOOKS = tuple(name for name in _OF_EVERY_MODULE if name.endswith("_hooks"))


def obstacle(module: nn.Module) -> str | None:
    """Why `module` cannot be one of a stack, in a few words; `None` where nothing is seen."""
    if any(getattr(part, hooks) for part in module.modules() for hooks in _HOOKS):
        return "it has hooks"
    if any(isinstance(part, nn.Embedding) and part.padding_idx is not None for part in module.modules()):
        return "torch's mapping spares the padding row of one student only"
    tensors = [*module.parameters(), *module.buffers()]
    # names of torch's own; a tensor without hooks has None there
    if any(tensor._backward_hooks or tensor._post_accumulate_grad_hooks for tensor in tensors):
        return "its weights have hooks"
    if len(tensors) < len(_named(module)):
        return "some of its parameters are tied"
    kinds = {Tensor, nn.Parameter, nn.Buffer}
    if any(type(tensor) not in kinds or tensor.layout is not torch.strided for tensor in tensors):
        return "some of its parameters are no plain tensors"
    return None


def fingerprint(module: nn.Module) -> Hashable:
    """Equal for two modules that compute the same but for the values of their parameters and buffers.

    The same parts under the same names, each with the same settings (numbers and strings by value, all else
    by identity), and tensors of the same shapes.
    """
    parts = tuple(
        (name, type(part), tuple((key, _value(value)) for key, value in sorted(vars(part).items())
                                 if key not in _OF_EVERY_MODULE))
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
