"""The figures of the experiments: drawn from what the experiments return, and stamped when they must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor, nn

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.figures import write_experiment_figures
from distillkit.mnist.experiments.inputs import ExperimentInputs
from distillkit.mnist.experiments.recipe import Recipe

Cases = tuple[Tensor, Tensor]
Results = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def results(recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential) -> Results:
    """What two seeds of every experiment return, through JSON as a folder would keep it."""
    few = train[0][:60], train[1][:60]

    def of(seed: int) -> dict[str, dict[str, Any]]:
        inputs = ExperimentInputs(teacher, recipe, recipe, few, test, seed=seed, epochs=1, updates=4)
        return {name: CATALOGUE[name].run(inputs).numbers for name in CATALOGUE}

    seeds = [json.loads(json.dumps(of(seed), allow_nan=False)) for seed in range(2)]
    return {name: [seed[name] for seed in seeds] for name in CATALOGUE}


def write(folder: Path, results: Results, *, is_stand_in: bool = False, quick: bool = False) -> list[str]:
    """All figures."""
    subtitles = dict.fromkeys(CATALOGUE, "protocol modern, seeds 0 to 1")
    return write_experiment_figures(
        folder, results, subtitles=subtitles, is_stand_in=is_stand_in, quick=quick
    )


def test_every_experiment_has_its_figure(results: Results, tmp_path: Path) -> None:
    """Both kinds of each, the same bytes each time; that of an experiment without results is removed."""
    assert write(tmp_path, results) == list(CATALOGUE)
    files = {file.name: file.read_bytes() for file in (tmp_path / "figures").iterdir()}
    assert sorted(files) == sorted(f"{name}.{kind}" for name in CATALOGUE for kind in ("png", "svg"))
    assert write(tmp_path, {"little-data": results["little-data"]}) == ["little-data"]
    left = {file.name: file.read_bytes() for file in (tmp_path / "figures").iterdir()}
    assert left == {name: files[name] for name in ("little-data.png", "little-data.svg")}


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("seeds", [1, 2])
def test_each_is_drawn_from_one_seed_or_several(results: Results, name: str, seeds: int) -> None:
    """With words on it, and none that are not numbers."""
    drawn = CATALOGUE[name].figure(results[name][:seeds])
    assert isinstance(drawn, Figure)
    words = "\n".join(text.get_text() for text in drawn.findobj(Text))
    assert words.strip()
    assert "nan" not in words.split()


def test_what_is_no_mnist_or_quick_is_stamped(results: Results, tmp_path: Path) -> None:
    """Across the figure; and nothing is written across the others."""
    one = {"hard-weight": results["hard-weight"]}
    for is_stand_in, quick in ((False, False), (True, False), (False, True), (True, True)):
        write(tmp_path, one, is_stand_in=is_stand_in, quick=quick)
        # matplotlib draws letters as shapes and names each run of text in a comment
        drawn = (tmp_path / "figures" / "hard-weight.svg").read_text(encoding="utf-8")
        assert ("STAND-IN DATA" in drawn) == is_stand_in
        assert ("QUICK RUN" in drawn) == quick
        assert "seeds 0 to 1" in drawn


def test_a_student_that_diverged_leaves_a_gap(results: Results) -> None:
    """Null numbers of one seed are not drawn as anything."""
    little = json.loads(json.dumps(results["little-data"]))
    little[1]["students"][0].update(
        updates=[], test_errors=[], held_out_errors=[], last=None, best=None, best_updates=None, diverged=True
    )
    students = json.loads(json.dumps(results["logit-matching-students"]))
    students[0]["students"]["T=1"].update(kl=None, relative_l2=None, diverged=True)
    for name, changed in (("little-data", little), ("logit-matching-students", students)):
        assert isinstance(CATALOGUE[name].figure(changed), Figure)
