"""Verify recomputes what a folder claims and names everything that does not hold."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from distillkit.mnist.reporting.report import build_outputs
from distillkit.mnist.verifying.verify import VerifyOutcome, verify_folder
from distillkit.workbench.results.atomic import write_manifest

CELLS = ("teacher", "D800-noKD", "D800-T20", "D800-T20-omit3", "D800-T20-omit3-bias-test-tuned")


@pytest.fixture(scope="module")
def finished(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished folder of five cells and three seeds, and the true labels; not to be changed."""
    folder = fake.fake_results(CELLS, seeds=3)
    path = folder.write(tmp_path_factory.mktemp("finished") / "run")
    build_outputs(path, test_labels=folder.labels)
    return path, folder.labels


@pytest.fixture
def run(finished: tuple[Path, Any], tmp_path: Path) -> tuple[Path, Any]:
    """A copy of the finished folder to damage, and the true labels."""
    return shutil.copytree(finished[0], tmp_path / "run"), finished[1]


def change(path: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Edit the lines of results.jsonl and renew the manifest, as somebody who hides his traces would."""
    lines = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    edit(lines)
    (path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_manifest(path)


def only(outcome: VerifyOutcome, words: str) -> None:
    """At least one problem, and one of them matches."""
    assert not outcome.ok
    assert any(re.search(words, problem) for problem in outcome.problems), outcome.problems


def test_a_sound_folder_has_no_problems(run: tuple[Path, Any]) -> None:
    """Every result is recomputed, nothing is found, and the rows are those of the ledger."""
    outcome = verify_folder(*run)
    assert (outcome.problems, outcome.notes, outcome.checked) == ([], [], 15)
    assert outcome.rows == json.loads((run[0] / "ledger.json").read_text())["rows"]


def test_a_ledger_made_without_labels_is_checked_with_the_same_test(fake: ModuleType, tmp_path: Path) -> None:
    """One seed and no labels: the z test is recomputed as the z test."""
    folder = fake.fake_results(("D800-noKD", "D800-T20"), seeds=1)
    path = folder.write(tmp_path / "run")
    build_outputs(path, command="distillkit sweep")
    assert verify_folder(path, folder.labels).problems == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("test_errors", 1, r"results.jsonl, teacher seed 0 .*test_errors: expected \d+ .* says 1\."),
        ("errors_by_class", [0] * 10, "errors_by_class: expected"),
        ("never_predicted", [4], r"never_predicted: expected \[\] .* says \[4\]"),
        ("id", "0" * 16, r"predictions/0000000000000000.npy: .* missing"),
        ("config", {"learning_rate": 1}, "id: expected '[0-9a-f]{16}'"),
        ("tuned_on_test", True, "tuned_on_test: expected False"),
        ("curve", {"test_errors": [500, 7]}, "last of curve.test_errors: expected"),
    ],
)
def test_a_changed_result_is_found(run: tuple[Path, Any], key: str, value: object, words: str) -> None:
    """A number, an id, a setting or a mark that the predictions do not bear out is named with both values."""
    change(run[0], lambda lines: lines[0].update({key: value}))
    only(verify_folder(*run), words)


def test_a_changed_prediction_is_found(run: tuple[Path, Any]) -> None:
    """One altered case of 10,000 changes the count, the ledger's mean and the digest."""
    file = next((run[0] / "predictions").iterdir())
    predicted = np.load(file)
    right = int(np.flatnonzero(predicted == run[1])[0])
    predicted[right] = (predicted[right] + 1) % 10
    np.save(file, predicted)
    outcome = verify_folder(*run)
    only(outcome, "test_errors: expected")
    only(outcome, rf"{file.name}: expected SHA-256")


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        (np.zeros(9999, dtype=np.uint8), r"expected uint8 \[10000\] but it holds uint8 \[9999\]"),
        (np.zeros(10_000), r"expected uint8 \[10000\] but it holds float64"),
        (np.full(10_000, 11, dtype=np.uint8), "expected classes 0 to 9 but it holds 11"),
        (None, "cannot be read as one"),
    ],
)
def test_predictions_of_another_form_are_named(run: tuple[Path, Any], predicted: Any, words: str) -> None:
    """A wrong length, type or class, and a file that is no array, are sentences and no traceback."""
    file = next((run[0] / "predictions").iterdir())
    if predicted is None:
        file.write_bytes(b"\x80\x04}")
    else:
        np.save(file, predicted)
    only(verify_folder(*run), words)


def test_a_changed_ledger_is_found(run: tuple[Path, Any]) -> None:
    """A better number, another verdict, a row too few or too many in ledger.json are each named."""
    file = run[0] / "ledger.json"
    ledger = json.loads(file.read_text())
    row = next(row for row in ledger["rows"] if row["id"] == "R-distilled")
    row["ours"], row["verdict"] = 74.0, "falsified"
    ledger["rows"] = [one for one in ledger["rows"] if one["id"] != "H1"] + [{"id": "H99"}]
    ledger["seeds"] = [0]
    file.write_text(json.dumps(ledger))
    write_manifest(run[0])
    outcome = verify_folder(*run)
    for words in (
        "R-distilled, ours: expected .* says 74.0",
        "verdict: expected 'verified'",
        "row H1 but",
        "no row H99",
        "seeds",
    ):
        only(outcome, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "ledger.json: .* missing"),
        ("{", "ledger.json: .* cannot be read"),
        ("[]", "ledger.json: .* holds list"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_named(
    run: tuple[Path, Any], content: str | None, words: str
) -> None:
    """Missing, torn or of another form: a sentence, and the rest is still checked."""
    file = run[0] / "ledger.json"
    file.unlink() if content is None else file.write_text(content)
    outcome = verify_folder(*run)
    only(outcome, words)
    assert outcome.checked == 15


def test_a_seed_left_out_is_a_problem_and_one_to_come_a_note(run: tuple[Path, Any]) -> None:
    """A gap hides a run; a missing last seed is a folder that is not complete."""
    change(run[0], lambda lines: lines.pop(1))
    only(verify_folder(*run), "teacher: expected every seed from 0 to 2 but seed 1 is missing")
    change(run[0], lambda lines: lines.pop(1))
    assert any("teacher: not complete, seeds 1, 2" in note for note in verify_folder(*run).notes)


def test_doubled_seeds_and_missing_parents_are_problems(run: tuple[Path, Any]) -> None:
    """Two results of one cell and seed, and a correction whose student is gone."""
    change(run[0], lambda lines: lines.append(lines[0]))
    only(verify_folder(*run), "teacher: expected one result of seed 0")
    change(run[0], lambda lines: lines[9].update(id="0" * 16))
    only(verify_folder(*run), "bias-test-tuned seed 0: expected its parent")


def test_a_kill_between_a_correction_and_its_run_is_a_note(run: tuple[Path, Any]) -> None:
    """A correction whose run is not there yet is a folder that is not complete."""
    change(run[0], lambda lines: lines.__delitem__(slice(9, 12)))
    outcome = verify_folder(*run)
    assert any(
        "bias-test-tuned seed 0: the run that it corrects is still to come" in note for note in outcome.notes
    )
    assert not any("parent" in problem for problem in outcome.problems)


def test_an_empty_or_foreign_folder_is_one_sentence(tmp_path: Path) -> None:
    """A folder that is none of ours says so."""
    outcome = verify_folder(tmp_path, np.zeros(10, dtype=np.int64))
    assert len(outcome.problems) == 1


def test_absent_teachers_and_spare_predictions_are_no_problems(run: tuple[Path, Any]) -> None:
    """Weights are not passed on with a folder; a prediction file without a line is a note."""
    path = run[0]
    (path / "teachers").mkdir()
    (path / "teachers" / "x.safetensors").write_bytes(b"w")
    write_manifest(path)
    (path / "teachers" / "x.safetensors").unlink()
    (path / "predictions" / "spare.npy").write_bytes(b"")
    outcome = verify_folder(*run)
    assert outcome.problems == []
    assert outcome.notes == ["predictions/spare.npy: no result refers to it."]
