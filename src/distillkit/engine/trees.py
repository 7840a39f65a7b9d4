"""Tensors in nested mappings and sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors of a tensor, a mapping or a sequence, and of what is in it, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        return [tensor for part in tree.values() for tensor in tensors_in(part)]
    if isinstance(tree, (tuple, list)):
        return [tensor for part in tree for tensor in tensors_in(part)]
    return []


def with_tensors(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """The same with other tensors in the places of its own; what is no tensor stays."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, Mapping):
        return {name: with_tensors(part, tensors) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(with_tensors(part, tensors) for part in tree)
    return tree
