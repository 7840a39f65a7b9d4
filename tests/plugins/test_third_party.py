"""A package of somebody else, built and installed: used as what ships is, without a change here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import distillkit
from distillkit.losses import LogitMatching
from distillkit.testing import checks_for

PACKAGE = Path(__file__).parent / "third_party"
SOURCE = Path(distillkit.__file__).parents[1]

MODELS = """
import torch
from torch import nn


def net(units):
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 3))


def data():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return (x[:40], x[:40, :3].argmax(1)), (x[40:], x[40:, :3].argmax(1))
"""
RUN = """
teacher: {kind: function, function: net, arguments: {units: 16}}
student: {kind: function, function: net, arguments: {units: 4}}
data: {kind: function, function: data}
loss:
  kind: weighted_sum
  terms:
    angle: {kind: cosine_targets, temperature: 2}
    hard: {kind: hard_labels}
epochs: 1
"""


def build_backend_is_here() -> bool:
    """Whether pip can build the package with what is installed."""
    try:  # not by find_spec(), which setuptools answers with a warning where distutils is imported
        version("pip")
        return tuple(map(int, version("setuptools").split(".")[:2])) >= (70, 1)
    except PackageNotFoundError:
        return False


def built(target: Path, sources: Path) -> None:
    """Built and installed by pip, without a network and without a trace in the checkout."""
    shutil.copytree(PACKAGE, sources)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    quietly = ["--no-cache-dir", "--disable-pip-version-check", "--target", str(target), str(sources)]
    done = subprocess.run([*pip, *quietly], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def laid_out(target: Path) -> None:
    """As an installer leaves it, where there is none."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    shutil.copy(PACKAGE / "cosine_targets.py", target)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed, and a second package beside it that cannot be imported."""
    folder = tmp_path_factory.mktemp("third_party")
    target = folder / "site"
    if build_backend_is_here():
        built(target, folder / "sources")
    else:
        laid_out(target)
    info = target / "broken_package-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[distillkit.losses]\nbroken_targets = broken_package:Broken\n")
    (target / "broken_package.py").write_text("import sys\n\nsys.exit('no licence')\n")
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder, with a run file and its code."""
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "run.yaml").write_text(RUN)
    return tmp_path


def python(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which the package is installed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(SOURCE)]), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_both_ways_to_install_are_alike(installed: Path, tmp_path: Path) -> None:
    """What is laid out by hand has the entry point and the module that a built one has."""
    laid_out(tmp_path)
    (by_hand,) = tmp_path.glob("*.dist-info")
    found = installed / by_hand.name
    assert (found / "entry_points.txt").read_text().split() == (
        by_hand / "entry_points.txt"
    ).read_text().split()
    assert (installed / "cosine_targets.py").read_text() == (tmp_path / "cosine_targets.py").read_text()


def test_from_python(installed: Path, folder: Path) -> None:
    """Imported or named, in a sum, in a training."""
    program = """
import sys
from distillkit import Distiller, losses

loss = losses.Loss.from_dict({"kind": "cosine_targets", "temperature": 2})
from cosine_targets import CosineTargets
from models import data, net

assert loss == CosineTargets(temperature=2)
mixed = losses.WeightedSum(terms={"angle": loss, "hard": losses.HardLabels()})
train, test = data()
history = Distiller(teacher=net(16), student=net(4), loss=mixed).fit(train, epochs=1)
assert {"angle", "hard"} <= set(history.columns)
assert "broken_package" not in sys.modules
"""
    done = python(installed, folder, "-c", program)
    assert done.returncode == 0, done.stderr


def test_its_own_tests_hold_it_to_the_contract(installed: Path, folder: Path) -> None:
    """By one line; a program of its author's."""
    shutil.copytree(PACKAGE / "tests", folder / "tests")
    done = python(installed, folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_ours_hold_it_to_the_contract(installed: Path, folder: Path) -> None:
    """Each promise of every loss, without a word about it; the plug-in that is broken is told by one test."""
    contract = Path(__file__).parents[1] / "losses" / "test_contract.py"
    command = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(contract),
        "-k",
        "CosineTargets or plug_in",
    )
    done = python(installed, folder, *command)
    assert f"1 failed, {len(checks_for(LogitMatching()))} passed" in done.stdout, done.stdout
    assert "test_every_plug_in_can_be_loaded" in done.stdout
    assert "could not be loaded: SystemExit('no licence')" in done.stdout


def test_from_a_run_file(installed: Path, folder: Path) -> None:
    """`distillkit train`: the file names the kind, nothing else is said."""
    command = ("-m", "distillkit", "train", "run.yaml", "--code", "models.py", "--out", "out", "--quiet")
    done = python(installed, folder, *command)
    assert done.returncode == 0, done.stderr
    assert "angle" in (folder / "out" / "history.csv").read_text().partition("\n")[0].split(",")


def test_it_is_listed(installed: Path, folder: Path) -> None:
    """`distillkit losses` says whose it is, and why another, which ends the program, cannot be used."""
    done = python(installed, folder, "-m", "distillkit", "losses", "--json")
    assert done.returncode == 0, done.stderr
    listed = {one["kind"]: one for one in json.loads(done.stdout)}
    assert listed["cosine_targets"]["source"] == "cosine-targets 2.1"
    assert listed["cosine_targets"]["problem"] is None
    assert listed["broken_targets"]["source"] == "broken-package 0.1"
    assert "no licence" in listed["broken_targets"]["problem"]
    assert listed["soft_targets"]["problem"] is None


def test_from_a_sweep(installed: Path, folder: Path) -> None:
    """At each temperature, alone and in a sum; the broken one ends in a line where it is named."""
    program = """
import sys
from distillkit.mnist.data import digits as data

few = data.make_stand_in(n_train=200, n_test=100)
data.load_stand_in = lambda progress=None: few
from distillkit.cli import app

app(["sweep", "--D", "6", "--T", "2", "4", "--epochs", "1", "--data", "stand-in", "--out", "out", "--losses",
     *sys.argv[1:]])
"""
    done = python(installed, folder, "-c", program, "cosine_targets", "cosine_targets+hard_labels")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    cells = [
        f"D6-cosine_targets{sum_}-T{temperature}" for sum_ in ("", "+hard_labels") for temperature in (2, 4)
    ]
    assert [line["name"] for line in lines] == ["teacher", "D6-noKD", *cells]
    done = python(installed, folder, "-c", program, "broken_targets")
    assert done.returncode == 2
    assert "The plug-in 'broken_targets' (broken_package:Broken) could not be loaded" in done.stderr
    assert "Traceback" not in done.stderr
