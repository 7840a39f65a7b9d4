"""The report says what the numbers say, the same each time, and marks what must be marked."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.ledger import build_ledger
from distillkit.mnist.reporting.report import build_outputs, write_report
from distillkit.workbench.results.atomic import manifest_problems

DEAD = {("D300-noKD", 0): (1, 4), ("D300-noKD", 1): (1,)}


def report_of(folder: Path, results: list[dict[str, Any]], **figures: Any) -> Path:
    """The report of some lines."""
    evidence = Evidence.of(results)
    return write_report(folder, evidence, build_ledger(evidence), **figures)


@pytest.fixture
def text(fake: ModuleType, tmp_path: Path) -> str:
    """The report of a whole reproduction with dead classes."""
    results = fake.fake_results(seeds=3, dead=DEAD).results
    return write_report(
        tmp_path, Evidence.of(results), build_ledger(Evidence.of(results)), figures=["figure-1", "figure-2"]
    ).read_text()


def test_the_report_has_every_section(text: str) -> None:
    """From what was run to what is left out and how to check it."""
    for title in (
        "What was run",
        "Published numbers and ours",
        "Claims of direction",
        "Figures",
        "What Figure 2 shows",
        "Every run",
        "Classes that are never predicted",
        "Bias corrections",
        "Other reproductions",
        "What deviates from the publications",
        "What was left out",
        "How to make it again, and how to check it",
    ):
        assert f"\n## {title}\n" in text
    assert "](figures/figure-1.png)" in text
    assert "distillkit verify" in text


def test_a_run_is_counted_once_whatever_is_corrected_of_it(fake: ModuleType, tmp_path: Path) -> None:
    """A corrected result bears its run's duration, which is spent but once."""
    results = fake.fake_results(["D800-T20-omit3", "D800-T20-omit3-bias-held-out"], seeds=2).results
    trained = [result for result in results if result["curve"] is not None]
    hours = sum(result["duration_s"] for result in trained) / 3600
    text = report_of(tmp_path, results).read_text()
    assert len(trained) < len(results)
    assert f"| {len(trained)}, all shown; {hours:.2f} hours of training in sum; " in text
    assert f"{len(results) - len(trained)} results of theirs with corrected biases" in text


def test_tuned_on_the_test_set_stands_beside_the_number(text: str) -> None:
    """Every line on a test-tuned shift carries the mark; lines on other shifts do not."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and ("H6" in line or "H8" in line)]
    tables = [line for line in lines if "test error" in line or "threes" in line]
    for line in tables:
        name = line.split("|")[1].strip()
        assert ("**tuned on the test set**" in line) == (name in ("H6", "H6-threes", "H8")), line
    assert "test-tuned (**tuned on the test set**)" in text


def test_dead_classes_stand_in_a_table_by_seed(text: str) -> None:
    """The cell's row names the classes for each seed; an omitted digit is explained."""
    assert "| D300-noKD | 1, 4 | 1 | – |" in text
    assert "D800-noKD-omit3 (its transfer set has no 3) | 3 | 3 | 3 |" in text


def test_what_figure_2_shows_follows_from_the_numbers(fake: ModuleType, tmp_path: Path, text: str) -> None:
    """With dead classes it counts them; without, it says that there are none."""
    assert "2 of 63 runs never predict some class" in text
    results = fake.fake_results(["D30-T1", "D30-T4"], seeds=2).results
    alive = report_of(tmp_path, results).read_text()
    assert "Each of the 4 runs predicts every class." in alive
    assert "fewest errors at T = 4" in alive


@pytest.mark.parametrize("cells", [(), ("teacher",), ("D50-T3",), ("D800-noKD-omit3",)])
def test_any_part_of_the_experiments_has_a_report(
    fake: ModuleType, tmp_path: Path, cells: tuple[str, ...]
) -> None:
    """Missing cells and no results at all still end in a report that says what was left out."""
    folder = fake.fake_results(cells, seeds=1, errors={"D50-T3": 300})
    folder.write(tmp_path / "run")
    build_outputs(tmp_path / "run")
    assert "What was left out" in (tmp_path / "run" / "report.md").read_text()


def test_outputs_are_whole_listed_and_the_same_each_time(fake: ModuleType, tmp_path: Path) -> None:
    """Ledger, report, figures and manifest are written; a second call changes no byte."""
    folder = fake.fake_results(["teacher", "D800-noKD", "D800-T20"], seeds=2)
    run = folder.write(tmp_path / "run")
    ledger = build_outputs(run, test_labels=folder.labels)
    assert json.loads((run / "ledger.json").read_text()) == ledger
    assert manifest_problems(run) == []
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    build_outputs(run, test_labels=folder.labels)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_stand_in_data_are_stamped_and_not_compared(fake: ModuleType, tmp_path: Path) -> None:
    """The banner comes first, every table's title says it, and other people's numbers are not shown."""
    results = fake.fake_results(seeds=2, data="stand-in").results
    report = report_of(tmp_path, results).read_text()
    assert report.splitlines()[2].startswith("> **Stand-in data.**")
    assert "## Published numbers and ours (stand-in data, not MNIST)" in report
    assert "Other reproductions" not in report
    assert "The report's curves" not in report
    assert "**verified**" not in report
    assert "**falsified**" not in report


def test_a_quick_run_says_so(fake: ModuleType, tmp_path: Path) -> None:
    """The banner and the titles say that it verifies nothing."""
    results = fake.fake_results(["D800-T20"], seeds=1, quick=True).results
    report = report_of(tmp_path, results).read_text()
    assert "> **Quick run.**" in report
    assert "(quick run)" in report
    assert "**toy**" in report


def test_every_run_of_every_cell_is_shown(fake: ModuleType, tmp_path: Path) -> None:
    """Cells of other losses, dead and diverged runs too, seed by seed; helper runs are not."""
    cells = ("teacher", "D50-logit_matching", "D800-T20-omit3-tuning")
    errors = {"D50-logit_matching": 300}
    results = fake.fake_results(cells, seeds=2, errors=errors, dead={("D50-logit_matching", 0): (4,)}).results
    results[3]["diverged"] = True
    report = report_of(tmp_path, results).read_text()
    by_seed = f"{results[2]['test_errors']}*, {results[3]['test_errors']}†"
    assert "| D50-logit_matching |" in report
    assert by_seed in report
    assert "\n| D800-T20-omit3-tuning | 2" not in report


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        (
            {"command": "reproduce hinton-mnist", "quick": True, "seeds": 1},
            "distillkit reproduce hinton-mnist --protocol report-2025 --quick --precision bf16",
        ),
        (
            {
                "command": "sweep",
                "hidden_units": [50],
                "temperatures": [2.5, 4.0],
                "losses": ["soft_targets"],
                "seeds": 2,
            },
            "distillkit sweep --D 50 --T 2.5 4 --losses soft_targets --protocol report-2025 --seeds 2 "
            "--epochs 3 "
            "--precision bf16",
        ),
    ],
)
def test_the_command_is_read_from_the_settings(
    fake: ModuleType, tmp_path: Path, settings: dict[str, object], command: str
) -> None:
    """A folder's ledger names the command that made it."""
    protocol = {"name": "report-2025", "student_training": {"epochs": 3}}
    run = fake.fake_results([]).write(tmp_path / "run")
    (run / "settings.json").write_text(json.dumps({**settings, "protocol": protocol, "precision": "bf16"}))
    assert build_outputs(run)["command"] == command
