"""Pairs of nets are compared case by case on each seed, corrected for the seeds, and verified from disk."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.ledger import build_ledger
from distillkit.mnist.judging.pairs import compare_pairs
from distillkit.mnist.reporting.report import build_outputs
from distillkit.mnist.verifying.verify import verify_folder

CELLS = ("teacher", "D800-noKD", "D800-T20")


def test_each_seed_has_its_own_test(fake: ModuleType) -> None:
    """Counts and p-values against numpy and scipy's binomial test."""
    folder = fake.fake_results(CELLS, seeds=3, protocol="modern")
    pairs = compare_pairs(Evidence.of(folder.results, folder.predictions, folder.labels))
    assert [(pair["first"], pair["second"]) for pair in pairs] == [
        ("D800-T20", "D800-noKD"), ("D800-T20", "teacher"), ("D800-noKD", "teacher"),
    ]  # fmt: skip
    wrong = {
        (run["name"], run["seed"]): folder.predictions[run["id"]] != folder.labels for run in folder.results
    }
    ps = []
    for seed in range(3):
        first, second = wrong["D800-T20", seed], wrong["D800-noKD", seed]
        only = int(np.sum(first & ~second)), int(np.sum(second & ~first))
        assert (pairs[0]["only_first_wrong"][seed], pairs[0]["only_second_wrong"][seed]) == only
        ps.append(stats.binomtest(only[0], sum(only)).pvalue)
    smallest = int(np.argmin(ps))
    assert pairs[0]["p"][smallest] == pytest.approx(min(1.0, 3 * ps[smallest]))


def test_the_ledger_of_a_long_protocol_has_them(fake: ModuleType) -> None:
    """Where predictions are at hand; the report's ledgers stay as they were published."""
    folder = fake.fake_results(CELLS, seeds=2, protocol="modern")
    ledger = build_ledger(Evidence.of(folder.results, folder.predictions, folder.labels))
    assert len(ledger["pairs"]) == 3
    assert json.loads(json.dumps(ledger, allow_nan=False)) == ledger
    assert build_ledger(Evidence.of(folder.results))["pairs"] == []
    reports = fake.fake_results(CELLS, seeds=2)
    assert "pairs" not in build_ledger(Evidence.of(reports.results, reports.predictions, reports.labels))


def test_they_are_reported_and_verified(fake: ModuleType, tmp_path: Path) -> None:
    """A count that is changed in the ledger is found."""
    folder = fake.fake_results(CELLS, seeds=2, protocol="modern")
    run = folder.write(tmp_path / "run")
    build_outputs(run, test_labels=folder.labels)
    assert "## Pairs of nets, case by case" in (run / "report.md").read_text()
    assert "| D800-T20 against D800-noKD |" in (run / "report.md").read_text()
    assert verify_folder(run, folder.labels).problems == []
    ledger = json.loads((run / "ledger.json").read_text())
    ledger["pairs"][0]["only_first_wrong"][0] += 1
    (run / "ledger.json").write_text(json.dumps(ledger))
    assert any("pairs" in problem for problem in verify_folder(run, folder.labels).problems)
