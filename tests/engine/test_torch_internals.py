"""Names of torch that begin with an underscore are read in one file."""

from __future__ import annotations

import ast
from pathlib import Path

from torch import nn

import distillkit
from distillkit.engine.torch_internals import ATTRIBUTES_OF_MODULES, cpu_has_bf16, has_hooks

ENGINE = Path(distillkit.__file__).parent / "engine"
OWN = {"self", "cls"}


def _foreign(file: Path) -> list[str]:
    """Attributes with an underscore of other objects than the own one, and such modules of torch."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in OWN:
                found.append(f"{file.name}:{node.lineno} {node.attr}")
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch._"):
            found.append(f"{file.name}:{node.lineno} {node.module}")
    return found


def test_no_other_file_of_the_engine_reads_private_names() -> None:
    """So that a new release of torch asks for one file to be read."""
    files = [file for file in ENGINE.rglob("*.py") if file.name != "torch_internals.py"]
    assert [name for file in files for name in _foreign(file)] == []
    assert _foreign(ENGINE / "torch_internals.py")


def test_what_every_module_has_is_found() -> None:
    """Hooks among it; an attribute of a class of its own is not."""
    assert {"training", "_forward_hooks", "_parameters"} <= ATTRIBUTES_OF_MODULES
    assert "in_features" not in ATTRIBUTES_OF_MODULES
    layer = nn.Linear(1, 1)
    assert not has_hooks(layer)
    layer.register_forward_hook(lambda *_: None)
    assert has_hooks(nn.Sequential(layer))


def test_a_cpu_says_whether_it_has_bfloat16() -> None:
    """Whatever it says, it is a bool."""
    assert isinstance(cpu_has_bf16(), bool)
