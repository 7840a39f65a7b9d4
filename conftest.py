"""What holds for every test, those of the docstrings too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _a_test_sees_the_kinds_that_ship_and_its_own() -> Iterator[None]:
    """A loss or transfer set that one test defines is not there for the others; an installed one is."""
    before = {root: dict(root._kinds) for root in _roots()}
    for root, kinds in before.items():
        _replace(root, _shipped(root, kinds))
    yield
    for root in _roots():
        _replace(root, before.get(root, _shipped(root, root._kinds)))


def _roots() -> Iterator[Any]:
    policy = sys.modules.get("distillkit.policy")
    if policy is not None:
        yield from (
            root for root in policy.Policy.__subclasses__() if root.__module__.startswith("distillkit.")
        )


def _shipped(root: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    others = {kind for kind, one in kinds.items() if not one.__module__.startswith("distillkit.")}
    return {kind: one for kind, one in kinds.items() if kind not in others or kind in _installed(root)}


@cache
def _installed(root: Any) -> frozenset[str]:
    return frozenset(root.plugins())


def _replace(root: Any, kinds: dict[str, Any]) -> None:
    root._kinds.clear()
    root._kinds.update(kinds)
