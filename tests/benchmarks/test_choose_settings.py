"""Choosing settings: never on the test set, everything tried is written down, one candidate a call."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks import choose_settings
from benchmarks.held_out import Candidate, development_data, try_candidate, with_changes

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.protocols.protocol import MODERN, Protocol
from distillkit.mnist.protocols.training import Scheduled
from distillkit.workbench.workers.observer import Silent

CHANGES: dict[str, Any] = {
    "teacher.hidden_units": [16, 16],
    "teacher_training.epochs": 1,
    "student_training.epochs": 2,
    "student_training.optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    "hard_label_weight": 0.05,
}


def small() -> Protocol:
    """The protocol with few units and epochs."""
    return with_changes(MODERN, CHANGES)


def run_context(data: MnistData) -> RunContext:
    """One CPU."""
    return RunContext(data, "modern", False, torch.device("cpu"), "fp32", Silent())


def lines(folder: Path) -> list[dict[str, Any]]:
    """The log."""
    return [json.loads(line) for line in (folder / "tried.jsonl").read_text().splitlines()]


def test_the_test_set_is_not_there(few_digits: MnistData) -> None:
    """What is learnt from and what is held out are the training cases, each once."""
    part = development_data(few_digits)
    both = torch.cat([part.train_images, part.test_images])
    assert torch.equal(both, few_digits.train_images)
    assert (len(part.train_labels), len(part.test_labels)) == (250, 50)
    assert part.sha256 != few_digits.sha256


def test_the_whole_data_are_refused(few_digits: MnistData, tmp_path: Path) -> None:
    """A mistake in the call cannot look at the test set."""
    with pytest.raises(ConfigurationError, match="never on the test set"):
        try_candidate(Candidate(small(), "baseline", 8), run_context(few_digits), tmp_path, CHANGES)


def test_everything_tried_is_written_down_once(few_digits: MnistData, tmp_path: Path) -> None:
    """A distilled candidate brings its teacher, the next one finds it, and nothing is tried again."""
    context = run_context(development_data(few_digits))
    first = try_candidate(Candidate(small(), "distilled", 8, 4.0), context, tmp_path, CHANGES)
    assert [line["role"] for line in lines(tmp_path)] == ["teacher", "distilled"]
    assert lines(tmp_path)[0]["changes"].keys() == {"teacher.hidden_units", "teacher_training.epochs"}
    try_candidate(Candidate(small(), "distilled", 8, 8.0), context, tmp_path, CHANGES)
    try_candidate(Candidate(small(), "baseline", 8), context, tmp_path, CHANGES)
    assert try_candidate(Candidate(small(), "distilled", 8, 4.0), context, tmp_path, CHANGES) == first
    tried = lines(tmp_path)
    assert [line["cell"] for line in tried] == ["teacher", "D8-T4", "D8-T8", "D8-noKD"]
    assert first["of"] == 50
    assert len(first["errors_by_epoch"]) == 2
    assert first["changes"] == CHANGES
    assert first["config"]["loss"]["weights"] == {"soft": 0.95, "hard": 0.05}


def test_any_setting_may_be_changed() -> None:
    """Optimiser and schedule too; what is not named stays."""
    training = small().student_training
    assert isinstance(training, Scheduled)
    assert (training.optimizer.kind, training.batch_size) == ("sgd", 256)
    for changes in ({"student_training.optimiser.kind": "sgd"}, {"hard_label_weight": 2}, {"epochs": 3}):
        with pytest.raises(ConfigurationError, match="modern"):
            with_changes(MODERN, changes)


def test_the_script_tries_one_candidate_a_call(
    few_digits: MnistData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints what was tried, best first."""
    monkeypatch.setattr(choose_settings, "load_mnist", lambda folder, allow_stand_in: few_digits)
    rate = "student_training.optimizer.learning_rate"
    settings = ["--set", "student_training.epochs=1", "--set", f"{rate}=1e-3"]
    monkeypatch.setattr(sys, "argv", ["choose_settings", str(tmp_path), "baseline", "--D", "8", *settings])
    choose_settings.main()
    assert "errors of 50" in capsys.readouterr().out
    (line,) = lines(tmp_path)
    assert line["changes"][rate] == 0.001
    monkeypatch.setattr(sys, "argv", ["choose_settings", str(tmp_path)])
    choose_settings.main()
    assert "baseline D8-noKD seed 0" in capsys.readouterr().out
