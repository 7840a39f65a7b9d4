"""Reproduction and sweep: what is run, what is kept, and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells import runs
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.jobs import job
from distillkit.mnist.plan import quick_stages, reproduction_stages
from distillkit.mnist.protocols.protocol import MODERN, REPORT_2025, NetworkSpec, Protocol
from distillkit.mnist.reproduction import reproduce
from distillkit.mnist.sweep import PLAIN_SUM, sweep
from distillkit.workbench import read_results, read_settings
from distillkit.workbench.workers.observer import Silent

SMALL = REPORT_2025.model_copy(
    update={"teacher": NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))}
).with_epochs(2)

Rows = list[dict[str, Any]]


def run_context(data: MnistData, observer: Silent | None = None, *, quick: bool = False) -> RunContext:
    """Few digits, one CPU."""
    return RunContext(data, "report-2025", quick, torch.device("cpu"), "fp32", observer or Silent())


def comparable(rows: Rows) -> Rows:
    """The rows without what may differ from call to call: how long a run took."""
    return sorted(({**row, "duration_s": 0} for row in rows), key=lambda row: str(row["id"]))


@pytest.fixture
def run(few_digits: MnistData) -> Callable[..., Rows]:
    """A small sweep into a folder."""

    def call(folder: Path, observer: Silent | None = None, **changes: Any) -> Rows:
        settings: dict[str, Any] = {"hidden_units": [8], "temperatures": [2.0, 4.0], "seeds": 2, **changes}
        return sweep(SMALL, run_context(few_digits, observer), folder, **settings)

    return call


def test_a_sweep_trains_teacher_baseline_and_every_temperature_with_every_seed(
    run: Callable[..., Rows], few_digits: MnistData, tmp_path: Path
) -> None:
    """One line a run; the predictions beside it say what the line says."""
    rows = run(tmp_path)
    assert sorted({row["name"] for row in rows}) == ["D8-T2", "D8-T4", "D8-noKD", "teacher"]
    assert [row["seed"] for row in rows].count(1) == 4
    assert rows == read_results(tmp_path)
    for row in rows:
        predictions = np.load(tmp_path / "predictions" / f"{row['id']}.npy")
        assert predictions.shape == (200,)
        assert row["curve"]["test_errors"][-1] == row["test_errors"] == sum(row["errors_by_class"])
        assert row["data"]["name"] == "stand-in"
        assert (row["teacher_agreement"] is None) == (row["name"] in {"teacher", "D8-noKD"})
    teachers = {row["seed"]: row["id"] for row in rows if row["name"] == "teacher"}
    for row in rows:
        if row["teacher_agreement"] is None:
            assert (row["teacher_errors"], row["shared_errors"]) == (None, None)
            continue
        wrong = [
            np.load(tmp_path / "predictions" / f"{one}.npy") != few_digits.test_labels.numpy()
            for one in (row["id"], teachers[row["seed"]])
        ]
        assert row["teacher_errors"] == wrong[1].sum()
        assert row["shared_errors"] == (wrong[0] & wrong[1]).sum()


def test_the_same_call_again_trains_nothing(run: Callable[..., Rows], tmp_path: Path) -> None:
    """What is there is not made again."""
    rows = run(tmp_path)

    class Alarm(Silent):
        def runs_started(self, runs: Sequence[str], epochs: int) -> None:
            raise AssertionError(runs)

    assert run(tmp_path, Alarm()) == rows


def test_more_seeds_are_added_to_those_there_are(run: Callable[..., Rows], tmp_path: Path) -> None:
    """Ending with the rows of a call that asked for all of them at once."""
    run(tmp_path / "grown", seeds=1)
    assert comparable(run(tmp_path / "grown")) == comparable(run(tmp_path / "at once"))


@pytest.mark.parametrize("stop_after", [0, 1, 2, 5])
def test_a_sweep_that_was_stopped_ends_as_one_that_was_not(
    run: Callable[..., Rows], tmp_path: Path, stop_after: int
) -> None:
    """Also where the teacher's weights were lost in between: it is trained again, the same."""

    class StopInside(Silent):
        ended = 0

        def run_ended(self, run: str, result: object) -> None:
            self.ended += 1

        def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
            if self.ended == stop_after and epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", StopInside())
    assert len(read_results(tmp_path / "stopped")) == stop_after
    for file in (tmp_path / "stopped" / "teachers").glob("*"):
        file.unlink()
    assert comparable(run(tmp_path / "stopped")) == comparable(run(tmp_path / "whole"))


@pytest.mark.parametrize("lines", [3, 4, 7])
def test_a_sweep_stopped_between_the_lines_of_a_stack_ends_as_one_that_was_not(
    run: Callable[..., Rows], tmp_path: Path, lines: int
) -> None:
    """Some of a stack's students are there: all are trained again, and the missing ones come out the same."""
    whole = run(tmp_path / "whole")
    run(tmp_path / "cut")
    file = tmp_path / "cut" / "results.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:lines]))
    kept = read_results(tmp_path / "cut")
    rows = run(tmp_path / "cut")
    assert rows[:lines] == kept
    assert comparable(rows) == comparable(whole)


def test_a_stack_gives_what_one_by_one_gives(
    run: Callable[..., Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The students of a width are one stack; alone their predictions are the same but for a case or two."""
    sizes = []
    alone = runs.fit_together

    def watched(distillers: Any, *data: Any, **settings: Any) -> Any:
        sizes.append(len(distillers))
        return alone(distillers, *data, **settings)

    monkeypatch.setattr(runs, "fit_together", watched)
    together = run(tmp_path / "together")
    assert sizes == [1, 1, 3, 3]
    monkeypatch.setattr(job, "stacks_of", lambda cells, device: [[cell] for cell in cells])
    for row, other in zip(comparable(together), comparable(run(tmp_path / "alone")), strict=True):
        assert row["id"] == other["id"]
        assert abs(row["test_errors"] - other["test_errors"]) <= 2
        assert row["curve"]["train_loss"] == pytest.approx(other["curve"]["train_loss"], rel=1e-4)


def test_losses_may_be_named_alone_or_as_a_sum(run: Callable[..., Rows], tmp_path: Path) -> None:
    """A loss with a temperature once for each, one without once; hard labels alone are the baseline."""
    rows = run(
        tmp_path,
        seeds=1,
        losses=["soft_targets", "logit_matching", "hard_labels", "logit_matching+hard_labels"],
    )
    assert [row["name"] for row in rows] == [
        "teacher", "D8-noKD", "D8-soft_targets-T2", "D8-soft_targets-T4", "D8-logit_matching",
        "D8-logit_matching+hard_labels",
    ]  # fmt: skip
    assert rows[-1]["config"]["loss"]["terms"].keys() == {"logit_matching", "hard"}


def test_the_loss_of_a_sweep_is_the_protocols(few_digits: MnistData, tmp_path: Path) -> None:
    """Where none is named; the report's plain sum has its name where it is not that."""
    modern = MODERN.model_copy(update={"teacher": SMALL.teacher}).with_epochs(1)
    grid: dict[str, Any] = {"hidden_units": [8], "temperatures": [4.0]}
    own = sweep(modern, run_context(few_digits), tmp_path / "own", **grid)
    summed = sweep(modern, run_context(few_digits), tmp_path / "sum", **grid, losses=[PLAIN_SUM])
    assert [row["name"] for row in own] == ["teacher", "D8-noKD", "D8-T4"]
    assert own[-1]["config"]["loss"]["weights"] == {"soft": 0.95, "hard": 0.05}
    assert [row["name"] for row in summed][-1] == f"D8-{PLAIN_SUM}-T4"
    assert read_settings(tmp_path / "own")["losses"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperatures": [0.0]}, "T must be above 0"),
        ({"temperatures": [float("nan")]}, "T must be above 0"),
        ({"hidden_units": [0]}, "D must be at least 1"),
        ({"losses": ["soft_target"]}, "did you mean 'soft_targets'"),
        ({"losses": ["soft_targets+soft_targets"]}, "once in a sum"),
    ],
)
def test_impossible_sweeps_are_refused_before_anything_is_written(
    run: Callable[..., Rows], tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """One sentence, and no folder."""
    with pytest.raises(ConfigurationError, match=message):
        run(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_another_sweep_is_refused_in_the_same_folder(run: Callable[..., Rows], tmp_path: Path) -> None:
    """With the difference."""
    run(tmp_path, seeds=1)
    with pytest.raises(ConfigurationError, match=r"temperatures: \[2.0, 4.0\] there, \[3.0\] asked for"):
        run(tmp_path, seeds=1, temperatures=[3])


def test_a_quick_reproduction_has_every_experiment(few_digits: MnistData, tmp_path: Path) -> None:
    """With corrected results beside the runs that they correct."""
    rows = reproduce(SMALL, 1, run_context(few_digits, quick=True), tmp_path)
    by_name = {row["name"]: row for row in rows}
    assert {cell.name for stage in quick_stages(SMALL, 0) for cell in stage} < by_name.keys()
    run_itself = by_name["D800-T20-omit3"]
    tuned, free = (by_name[f"D800-T20-omit3-bias-{kind}"] for kind in ("test-tuned", "label-free"))
    assert tuned["tuned_on_test"]
    assert not free["tuned_on_test"]
    assert tuned["test_errors"] <= min(run_itself["test_errors"], free["test_errors"])
    assert tuned["correction"]["parent"] == run_itself["id"]
    assert run_itself["config"]["training"]["epochs"] == 3
    assert all(row["quick"] for row in rows)


def test_the_held_out_shift_is_chosen_by_a_run_that_never_saw_the_cases(
    few_digits: MnistData, tmp_path: Path
) -> None:
    """The tuning run comes first, learns from eleven twelfths, and its shift is the corrected result's."""
    small: Protocol = SMALL.with_epochs(1)
    rows = reproduce(small, 1, run_context(few_digits), tmp_path)
    names = [row["name"] for row in rows]
    by_name = dict(zip(names, rows, strict=True))
    assert names.index("D800-T20-omit3-tuning") < names.index("D800-T20-omit3-bias-held-out")
    tuning = by_name["D800-T20-omit3-tuning"]
    assert tuning["config"]["transfer_set"]["parts"][0]["fraction"] == pytest.approx(11 / 12)
    corrected = by_name["D800-T20-omit3-bias-held-out"]
    assert corrected["correction"]["shift"] == tuning["correction"]["shift"]
    assert not corrected["tuned_on_test"]
    expected = [cell.name for stage in reproduction_stages(small, 0) for cell in stage]
    assert len(expected) == len(set(expected)) == 2 + 3 * 7 + 3
    assert set(expected) <= set(names)


def test_a_run_that_diverges_is_kept_and_said_so(few_digits: MnistData, tmp_path: Path) -> None:
    """Its numbers that are none are null, and the sweep goes on."""
    hot = SMALL.student_training.model_copy(update={"learning_rate": 1e30, "clip_norm": None})
    rows = sweep(
        SMALL.model_copy(update={"student_training": hot}),
        run_context(few_digits), tmp_path, hidden_units=[8], temperatures=[4], seeds=1,
    )  # fmt: skip
    diverged = [row["name"] for row in rows if row["diverged"]]
    assert diverged == ["D8-noKD", "D8-T4"]
    assert rows[-1]["nll"] is None
    assert json.loads((tmp_path / "results.jsonl").read_text().splitlines()[-1])["curve"] is None
