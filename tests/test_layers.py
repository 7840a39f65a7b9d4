"""The layers, read off the source: imports point down, and the reproduction uses public names only."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import distillkit

SOURCE = Path(distillkit.__file__).parent

LAYER = {
    "errors": 0,
    "layer_names": 0,
    "typing": 0,
    "yaml_io": 0,
    "policy": 0,
    "functional": 1,
    "outputs": 2,
    "losses": 2,
    "schedules": 2,
    "transfer_sets": 2,
    "ensemble": 2,
    "metrics": 2,
    "testing": 2,
    "translated": 2,
    "engine": 3,
    "methods": 3,
    "workbench": 4,
    "mnist": 4,
    "cli": 5,
}
"""Every part of the package and its layer: 0 base, 1 maths, 2 policies, 3 engine, 4 experiments, 5 doors."""

SAME_LAYER = {
    ("layer_names", "errors"),
    ("yaml_io", "errors"),
    ("policy", "errors"),
    ("policy", "yaml_io"),
    ("ensemble", "outputs"),
    ("translated", "outputs"),
    ("losses", "schedules"),
    ("testing", "losses"),
    ("methods", "engine"),
    ("mnist", "workbench"),
}
"""Which part may import which other part of its own layer; no loss a transfer set, or the reverse."""

ENGINE_KNOWS = {"distillkit.losses": {"Loss", "Needs"}, "distillkit.transfer_sets": {"Full", "TransferSet"}}
"""The engine knows the roots of the policies, and `Full` as the default; no concrete policy."""

PUBLIC = {
    "distillkit",
    "distillkit.errors",
    "distillkit.functional",
    "distillkit.losses",
    "distillkit.metrics",
    "distillkit.schedules",
    "distillkit.testing",
    "distillkit.transfer_sets",
    "distillkit.typing",
}
"""The modules that a user imports from; those of `distillkit.workbench` beside them."""

ENGINE_FLOORS = (
    ("arguments", "checks", "trees", "torch_internals"),
    ("forward", "data"),
    ("callbacks",),
    ("teacher", "update"),
    ("loop",),
    ("distiller",),
    ("stack",),
)
"""The rooms of the engine, the lowest floor first: a room imports those on the floors below it."""

MNIST_FLOORS = (
    ("data",),
    ("protocols",),
    ("drawing", "cells"),
    ("experiments",),
    ("jobs", "judging"),
    ("reporting",),
    ("verifying",),
    ("plan",),
    ("reproduction", "sweep"),
)
"""The rooms of the reproduction, in the same way."""

MOST_ROOMS = {"engine": 12, "mnist": 14}
"""How many files and folders stand side by side at the top of a part."""

IMPORTS = (ast.Import, ast.ImportFrom)

OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}
"""Names with an underscore that Python made public."""


@dataclass(frozen=True)
class Import:
    """One imported name: `name` is empty for `import module`."""

    file: str
    line: int
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}.{self.name}".rstrip(".")

    @property
    def part(self) -> str:
        """The part of the package that is imported; empty where it is no part of it."""
        path = self.module.split(".")
        if path[0] != "distillkit":
            return ""
        if len(path) > 1:
            return path[1]
        # `from distillkit import x`: x is a part, or a name that the package forwards from the engine's layer
        return (
            self.name
            if self.name in LAYER
            else {"Ensemble": "ensemble", "Evaluation": "metrics", "Translated": "translated"}.get(
                self.name, "engine"
            )
        )


@cache
def tree(file: Path) -> ast.Module:
    """The parsed source."""
    return ast.parse(file.read_text(encoding="utf-8"))


def files(part: str = "") -> list[Path]:
    """The source files of a part, a package or one module; all of them where none is named."""
    if part and (SOURCE / f"{part}.py").exists():
        return [SOURCE / f"{part}.py"]
    return sorted((SOURCE / part).rglob("*.py"))


def imports(part: str = "") -> list[Import]:
    """Everything that a part imports, at the top, inside functions and for type checkers alike."""
    return [each for file in files(part) for each in imports_of(file)]


def imports_of(file: Path) -> list[Import]:
    """Everything that a file imports."""
    found = []
    name = str(file.relative_to(SOURCE))
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found += [Import(name, node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; write the whole name"
            found += [Import(name, node.lineno, node.module or "", alias.name) for alias in node.names]
    return found


def module_of(file: Path) -> str:
    """The dotted name that a file is imported by."""
    return ".".join(("distillkit", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def test_every_part_has_a_layer() -> None:
    """A new module or package is given its layer here."""
    modules = {path.stem for path in SOURCE.glob("*.py")}
    found = modules | {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert found - {"__init__", "__main__"} == set(LAYER)


@pytest.mark.parametrize("part", LAYER)
def test_imports_point_down(part: str) -> None:
    """A part imports lower layers, itself, and those of its own layer that are allowed; nothing above."""
    for each in imports(part):
        if each.part in {"", part}:
            continue
        down = LAYER[each.part] < LAYER[part]
        assert down or (part, each.part) in SAME_LAYER, f"{each}: not below"


@pytest.mark.parametrize(("part", "floors"), [("engine", ENGINE_FLOORS), ("mnist", MNIST_FLOORS)])
def test_rooms_stand_on_floors(part: str, floors: tuple[tuple[str, ...], ...]) -> None:
    """Inside a part too imports point down: a room imports itself and the floors below it."""
    floor = {room: number for number, rooms in enumerate(floors) for room in rooms}
    rooms = {path.stem for path in (SOURCE / part).iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__pycache__"}
    assert rooms == set(floor), "a new room is given its floor here"
    assert len(rooms) <= MOST_ROOMS[part]
    for each in imports(part):
        below = each.module.split(".")[2:3] or [each.name]
        room = Path(each.file).parts[1].removesuffix(".py")
        if each.part != part or room == "__init__":
            continue
        assert below[0] == room or floor[below[0]] < floor[room], f"{each}: not below"


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in SOURCE.rglob("*.py")}), ids=lambda one: one.name
)
def test_every_package_says_what_belongs_there(folder: Path) -> None:
    """The `__init__` of a package has a sentence about what is in it."""
    assert ast.get_docstring(tree(folder / "__init__.py"))


def test_no_circle_of_imports() -> None:
    """No module imports itself by way of others, for type checkers and inside functions neither."""
    arrows: dict[str, set[str]] = {module_of(file): set() for file in files()}
    for file in files():
        for each in imports_of(file):
            for target in (f"{each.module}.{each.name}", each.module):
                if target in arrows:
                    arrows[module_of(file)].add(target)
                    break
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_inside_functions_say_why(file: Path) -> None:
    """They stand there for a quick start, or because only an extra brings what is imported."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for function in ast.walk(tree(file)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for block in ast.walk(function):
            before: ast.stmt | None = None
            for node in getattr(block, "body", []) if isinstance(block, ast.stmt) else []:
                if isinstance(node, IMPORTS) and not isinstance(before, IMPORTS):
                    above = lines[node.lineno - 2].strip()
                    assert above.startswith("# imported here"), f"{file.name}:{node.lineno} says no reason"
                before = node


def test_engine_knows_no_concrete_policy() -> None:
    """The engine imports the roots of losses and transfer sets, and no class of a kind but `Full`."""
    for each in imports("engine"):
        if each.part in {"losses", "transfer_sets"}:
            assert each.name in ENGINE_KNOWS.get(each.module, set()), f"{each}: a concrete policy"


def test_maths_know_torch_alone() -> None:
    """The pure functions import torch, each other, the errors, and names of types."""
    for each in imports("functional"):
        root = each.module.split(".")[0]
        assert root in {"__future__", "collections", "math", "torch", "typing"} or each.part in {
            "functional",
            "errors",
        }, str(each)


def test_only_the_doors_know_typer_and_rich() -> None:
    """Typer, Click and Rich are imported in `cli` and nowhere else."""
    for part in LAYER:
        for each in imports(part):
            if each.module.split(".")[0] in {"typer", "click", "rich"}:
                assert part == "cli", f"{each}: only cli may"


@pytest.mark.parametrize("part", [part for part, layer in LAYER.items() if layer < 4])
def test_nothing_below_the_experiments_knows_mnist(part: str) -> None:
    """The library's own layers do not so much as mention MNIST."""
    for file in files(part):
        assert "mnist" not in file.read_text(encoding="utf-8").lower(), file.name


def test_package_itself_forwards_and_no_more() -> None:
    """`distillkit/__init__.py` imports nothing when it is imported but the standard library."""
    for node in tree(SOURCE / "__init__.py").body:
        assert not isinstance(node, ast.Import)
        if isinstance(node, ast.ImportFrom):
            assert node.module in {"__future__", "importlib", "typing"}


def test_reproduction_imports_public_names_only() -> None:
    """What reproduces the papers is written with what every user has: public modules and names."""
    for each in imports("mnist"):
        if each.part in {"", "mnist"}:
            continue
        assert each.module in PUBLIC or each.part == "workbench", f"{each}: no public module"
        words = [*each.module.split("."), each.name]
        assert not any(word.startswith("_") for word in words), f"{each}: private"
        if each.module == "distillkit":
            assert each.name in distillkit.__all__, f"{each}: no public name"
        elif each.module in PUBLIC:
            assert each.name in public_names(each.module), f"{each}: no public name"


def public_names(module: str) -> set[str]:
    """The names that a module defines, or a package exports (`from … import x as x`), without underscore."""
    place = SOURCE.joinpath(*module.split(".")[1:])
    body = tree(place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).body
    names: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom) and place.is_dir():
            names |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_reproduction_touches_no_private_attribute() -> None:
    """No `object._name` of anything but its own objects: what the library hides stays hidden."""
    for file in files("mnist"):
        for node in ast.walk(tree(file)):
            if not isinstance(node, ast.Attribute) or not re.match(r"_(?!_)", node.attr):
                continue
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            assert own or node.attr in OF_NAMED_TUPLES, f"{file.name}:{node.lineno} reads .{node.attr}"


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_are_small_and_say_what_they_are(file: Path) -> None:
    """A module has a docstring of its one subject, and at most 300 lines."""
    assert ast.get_docstring(tree(file)), f"{file.name} has no docstring"
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{file.name} has {lines} lines: split it by subject"
