"""Tensors in nested mappings and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor


def tensors_in(tree: Any) -> list[Tensor]:
    """Return the tensors of a tensor, a mapping or a sequence, nested or not, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        return [tensor for part in tree.values() for tensor in tensors_in(part)]
    if isinstance(tree, (tuple, list)):
        return [tensor for part in tree for tensor in tensors_in(part)]
    return []


def map_tensors(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Return a tree with the result of a function in the place of each tensor; other leaves stay.

    Args:
        function: Called with a tensor, and with those in its place in `others`.
        tree: A tensor, a mapping or a sequence of trees, or anything else, which is a leaf.
        others: Trees of the same structure.
    """
    if isinstance(tree, Tensor):
        return function(tree, *others)
    if isinstance(tree, Mapping):
        return {
            name: map_tensors(function, part, *(other[name] for other in others))
            for name, part in tree.items()
        }
    if isinstance(tree, (tuple, list)):
        return type(tree)(map_tensors(function, *parts) for parts in zip(tree, *others, strict=True))
    return tree


def with_tensors(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """Return the tree with these tensors in the places of its own, in order."""
    return map_tensors(lambda _: next(tensors), tree)
