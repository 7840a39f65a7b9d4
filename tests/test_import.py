"""Importing does nothing: no heavy modules, no seeds, no patches, no settings changed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

HEAVY = ["click", "matplotlib", "numpy", "pandas", "rich", "scipy", "torch", "torchvision", "typer", "yaml"]
HEAVY_FOR_THE_DOORS = ["matplotlib", "numpy", "pandas", "scipy", "torch", "torchvision"]


def told_by(program: str) -> Any:
    """What a fresh interpreter prints, as JSON; warnings are errors there too."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("distillkit", HEAVY),
        ("distillkit.errors", HEAVY),
        ("distillkit.typing", HEAVY),
        ("distillkit.policy", [name for name in HEAVY if name != "yaml"]),
        ("distillkit.cli", HEAVY_FOR_THE_DOORS),
    ],
)
def test_importing_is_light(module: str, heavy: list[str]) -> None:
    """What a start needs is imported at the start; torch, pandas and the others where they are used."""
    program = f"import {module}, json, sys; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    assert told_by(program) == []


def test_every_public_name_is_there() -> None:
    """Each name of `__all__` can be imported, and `dir` lists it; an unknown name is an AttributeError."""
    program = """
import json, distillkit
from distillkit import Distiller
assert Distiller.__module__ == "distillkit.engine.distiller"
for name in distillkit.__all__:
    assert getattr(distillkit, name) is not None and name in dir(distillkit), name
try:
    distillkit.Distillers
except AttributeError as error:
    print(json.dumps(str(error)))
"""
    assert told_by(program) == "module 'distillkit' has no attribute 'Distillers'"


def test_importing_changes_no_setting() -> None:
    """Importing all of the library moves no generator, adds no log handler and sets no switch."""
    program = """
import json, logging, random, sys, threading, warnings
import numpy, torch, pandas, pydantic

def state():
    return [
        random.getstate(), numpy.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist(),
        torch.initial_seed(), str(torch.get_default_dtype()), torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.is_anomaly_enabled(),
        [str(handler) for handler in logging.getLogger().handlers],
        [str(handler) for handler in logging.getLogger("distillkit").handlers],
        logging.getLogger().level, logging.getLogger("distillkit").level, [str(f) for f in warnings.filters],
        threading.active_count(), str(sys.excepthook), pandas.get_option("display.max_rows"),
    ]

before = state()
import distillkit
for name in distillkit.__all__:
    getattr(distillkit, name)
print(json.dumps(state() == before))
"""
    assert told_by(program) is True


def test_version_is_that_of_the_distribution() -> None:
    """`distillkit.__version__` is what the installed metadata say: the number stands in one place."""
    program = """
import json, distillkit
from importlib.metadata import version
print(json.dumps([distillkit.__version__, version("distillkit")]))
"""
    here, installed = told_by(program)
    assert here == installed
