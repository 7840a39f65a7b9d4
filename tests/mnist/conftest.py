"""Fixtures of the tests of the MNIST experiments."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """The module `fake_results.py` beside this file, which importlib mode does not put on the path."""
    spec = importlib.util.spec_from_file_location("fake_results", Path(__file__).with_name("fake_results.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
