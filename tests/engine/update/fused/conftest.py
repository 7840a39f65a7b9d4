"""What the tests of the one pass share."""

from __future__ import annotations

import pytest
import torch

from distillkit.engine.update.fused import switch as stepping
from distillkit.engine.update.fused.compiler import compiler


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch):
    """Nothing was compiled before, and nothing has failed."""
    monkeypatch.setattr(compiler, "_compiled", {})
    monkeypatch.setattr(compiler, "works", True)


@pytest.fixture
def traced(monkeypatch):
    """The pass as torch's own operations, however little work is ahead; holds what would be compiled."""
    functions = []

    def keep(function, **options):
        functions.append(function)
        return function

    monkeypatch.setattr(torch, "compile", keep)
    monkeypatch.setattr(stepping, "_NUMBERS_THAT_PAY", 0)
    return functions
