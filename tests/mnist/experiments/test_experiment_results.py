"""A folder with experiments: its ledger, figures and report, and what `verify` finds in it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.inputs import ExperimentInputs
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.mnist.reporting.report import build_outputs
from distillkit.mnist.verifying.verify import VerifyOutcome, verify_folder
from distillkit.workbench import ResultStore, config_id, read_experiments
from distillkit.workbench.results.atomic import write_manifest


@pytest.fixture(scope="module")
def finished(
    recipe: Recipe, few_digits: MnistData, teacher: nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """Two seeds of every experiment and no cell, as if on MNIST, and the true labels; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    few = few_digits.train_images[:90], few_digits.train_labels[:90]
    test = few_digits.test_images, few_digits.test_labels
    with ResultStore(folder, {"seeds": 2}) as store:
        for seed in range(2):
            inputs = ExperimentInputs(teacher, recipe, recipe, few, test, seed=seed, epochs=1, updates=4)
            for name in CATALOGUE:
                found = CATALOGUE[name].run(inputs)
                store.add_experiment(line(name, seed, found.numbers), found.predictions)
    build_outputs(folder, test_labels=few_digits.test_labels.numpy())
    return folder, few_digits.test_labels.numpy()


def line(name: str, seed: int, found: dict[str, Any]) -> dict[str, Any]:
    """As the protocol `modern` has it."""
    config = {
        "name": name, "cases": 200, "student": [20.0, 0.1], "temperature": 20.0, "hard_label_weight": 0.1,
        "temperatures": [1.0, 20.0], "network": {"hidden_units": [12]},
        "training": {"epochs": 60},
    }  # fmt: skip
    return {
        "id": config_id(config, seed), "name": name, "config": config, "seed": seed, "found": found,
        "diverged": False, "duration_s": 1.0, "environment": {"device": "cpu", "precision": "fp32"},
        "data": {"name": "mnist", "sha256": "ab" * 32}, "protocol": "modern", "quick": False,
        "tuned_on_test": False,
    }  # fmt: skip


@pytest.fixture
def run(finished: tuple[Path, Any], tmp_path: Path) -> tuple[Path, Any]:
    """A copy of the finished folder to damage, and the true labels."""
    return shutil.copytree(finished[0], tmp_path / "run"), finished[1]


def change(path: Path, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the first line of an experiment and renew the manifest, as somebody who hides his traces would."""
    lines = read_experiments(path)
    edit(next(one for one in lines if one["name"] == name))
    (path / "experiments.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    write_manifest(path)


def only(outcome: VerifyOutcome, words: str) -> None:
    """At least one problem, and one of them matches."""
    assert any(re.search(words, problem) for problem in outcome.problems), outcome.problems


def test_a_sound_folder_has_no_problems(run: tuple[Path, Any]) -> None:
    """Every count is made again, and it is said which numbers have no predictions."""
    outcome = verify_folder(*run)
    assert outcome.problems == []
    assert outcome.checked == 2 * sum(experiment.counts_errors for experiment in CATALOGUE.values())
    assert [note.partition(" count")[0] for note in outcome.notes] == [
        "experiments.jsonl: dark-knowledge, logit-matching, t-squared"
    ]


def test_the_ledger_has_rows_of_them(finished: tuple[Path, Any]) -> None:
    """With both seeds, the ids of the networks behind them, and what deviates."""
    ledger = json.loads((finished[0] / "ledger.json").read_text())
    assert ledger["experiments"] == {name: [0, 1] for name in CATALOGUE}
    rows = {row["id"]: row for row in ledger["rows"]}
    for key in ("H9", "H9-weight", "H10", "H13-soft-targets", "H13-early-stopping", "H13-share",
                "H14-specialists", "H14-longer", "H14-one-net"):  # fmt: skip
        assert rows[key]["seeds"] == [0, 1]
        assert rows[key]["verdict"] in {"verified", "falsified", "inconclusive"}
    lines = {(one["name"], one["seed"]): one for one in read_experiments(finished[0])}
    first = lines["specialists", 0]
    assert f"{first['id']}/panel" in rows["H14-specialists"]["result_ids"]
    errors = first["found"]["test_errors"]
    assert rows["H14-specialists"]["values"][0] == errors["panel"] - errors["generalist"]
    assert any("JFT" in sentence for sentence in rows["H14-longer"]["deviations"])


def test_the_report_asks_and_answers(finished: tuple[Path, Any]) -> None:
    """A figure and an answer for each, with the numbers of the results."""
    folder, _ = finished
    text = (folder / "report.md").read_text()
    section = text[text.index("\n## Experiments\n") :]
    for name in CATALOGUE:
        assert f"](figures/{name}.png)" in section
        assert (folder / "figures" / f"{name}.svg").exists()
    assert section.count("**Question.**") == section.count("**Answer.**") == len(CATALOGUE)
    assert "**read off the test set**" in section
    panels = [
        one["found"]["test_errors"]["panel"]
        for one in read_experiments(folder)
        if one["name"] == "specialists"
    ]
    assert f"with its specialists {sum(panels) / 2:.1f} ± " in section
    assert "nan" not in section


def test_outputs_are_the_same_each_time(run: tuple[Path, Any]) -> None:
    """A second call changes no byte; without the experiments their section and figures go."""
    path, labels = run
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    build_outputs(path, test_labels=labels)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    (path / "experiments.jsonl").unlink()
    build_outputs(path, test_labels=labels)
    assert not list((path / "figures").iterdir())
    assert "\n## Experiments\n" not in (path / "report.md").read_text()


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("hard-weight", lambda line: line["found"]["test_errors"].__setitem__(0, 1), "test_errors: expected"),
        ("specialists", lambda line: line["found"]["groups"][0].update(panel_errors=999), "groups: expected"),
        ("little-data", lambda line: line["found"]["students"][3].update(best=0), "students: expected"),
        (
            "logit-matching-students",
            lambda line: line["found"]["students"]["twin"].update(agreement=1.0),
            "students: expected",
        ),
        ("t-squared", lambda line: line["config"].update(seed=3), "t-squared seed 0 .*, id: expected"),
        ("t-squared", lambda line: line.update(tuned_on_test=True), "tuned_on_test: expected False"),
        ("t-squared", lambda line: line.update(found={}), "ledger.json: it cannot be rebuilt"),
        ("t-squared", lambda line: line.update(seed=1), "t-squared: expected one result of seed 1"),
    ],
)
def test_a_changed_experiment_is_found(
    run: tuple[Path, Any], name: str, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    """A count, a setting or a mark that the predictions do not bear out is named."""
    change(run[0], name, edit)
    only(verify_folder(*run), words)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"0": np.zeros(200, dtype=np.uint8)}, "they do not fit"),
        ({"0": np.zeros(200)}, "expected classes 0 to 9 as uint8 but it holds float64"),
        ({"0": np.full(200, 11, dtype=np.uint8)}, "holds uint8 up to 11"),
        (None, "cannot be read as such"),
        ({}, "missing"),
    ],
)
def test_predictions_of_another_form_are_named(
    run: tuple[Path, Any], arrays: dict[str, Any] | None, words: str
) -> None:
    """Networks that lack, another type or class, a file that is none: sentences and no traceback."""
    first = next(one for one in read_experiments(run[0]) if one["name"] == "hard-weight")
    file = run[0] / "predictions" / f"{first['id']}.npz"
    if arrays is None:
        file.write_bytes(b"PK")
    elif arrays:
        np.savez(file, **arrays)
    else:
        file.unlink()
    only(verify_folder(*run), words)
