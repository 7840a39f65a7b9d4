"""Comparing all losses: every built-in one is there, runs are kept as they end, verdicts are a test's."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, Literal

import pytest
import scipy.stats
from benchmarks.losses_compared import recipes
from benchmarks.losses_compared.figure import losses_figure
from benchmarks.losses_compared.page import results_in_words, told
from benchmarks.losses_compared.recipes import RECIPES, compared, kind_of, named
from benchmarks.losses_compared.runs import Plan, Training, compare
from benchmarks.losses_compared.verdicts import verdicts
from benchmarks.losses_compared.weights import FACTORS, best_factors, weights_to_try

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.losses import FeatureLoss, HardLabels, Loss, WeightedSum
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.drawing import write_figure
from distillkit.workbench.results.lines import read_lines

TINY = Plan(Training((4, 8, 12), 1, 100, 0.01, 1.0), Training((2, 4, 8), 1, 16, 0.01, 0.1))


def run(folder: Path, data: MnistData, only: list[str] | None, **more: Any) -> list[dict[str, Any]]:
    """The lines of a comparison of two moments."""
    told_of = {"seeds": 1, "say": lambda text: None, **more}
    compare(compared(only), data, folder, command="python compare", plan=TINY, **told_of)
    return read_lines(folder / "results.jsonl")


def line(name: str, seed: int, errors: int, **more: Any) -> dict[str, Any]:
    """A run that nobody made."""
    loss = {"kind": name}
    made = {"name": name, "seed": seed, "test_errors": errors, "test_errors_before": 900, "cases": 1000}
    other = {"teacher_agreement": 0.9, "diverged": False, "cpu_seconds": 2.0, "config": {"loss": loss}}
    where = {"cpu": "C", "threads": 1, "torch": "2", "distillkit": "0"}
    return {**made, **other, "environment": where, "command": "python compare", **more}


def test_every_built_in_loss_is_compared_and_no_other() -> None:
    """The registry says which; what a session or a package defines is left out."""

    class Mine(Loss):
        kind: Literal["mine_alone"] = "mine_alone"

        def __call__(self, **sides: Any) -> Any: ...

    assert "mine_alone" in Loss.kinds()
    exported = [one for one in vars(losses).values() if isinstance(one, type) and issubclass(one, Loss)]
    shipped = {one.kind_name() for one in exported if not inspect.isabstract(one)}
    assert set(map(kind_of, compared())) == shipped
    assert next(iter(compared())) == "hard_labels"
    assert set(RECIPES) <= shipped


def test_a_loss_that_is_added_tomorrow_needs_no_edit() -> None:
    """It gets all stages, and hard labels beside it."""

    class Tomorrow(FeatureLoss):
        kind: Literal["tomorrow"] = "tomorrow"
        temperature: float

        def __call__(self, **sides: Any) -> Any: ...

    Tomorrow.__module__ = "distillkit.losses.tomorrow"
    assert compared(["tomorrow"])["tomorrow"] == WeightedSum(
        terms={"tomorrow": Tomorrow(layers={"stage*": "stage*"}, temperature=4), "hard": HardLabels()}
    )


def test_a_field_that_no_rule_fills_is_named() -> None:
    """Nothing is made up."""

    class Needy(Loss):
        kind: Literal["needy"] = "needy"
        examples: int

        def __call__(self, **sides: Any) -> Any: ...

    Needy.__module__ = "distillkit.losses.needy"
    with pytest.raises(ConfigurationError, match="'needy' has no default for 'examples': say in RECIPES"):
        compared()


def test_an_unknown_loss_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigurationError, match="no built-in loss 'spp'; there are at, "):
        compared(["spp"])


def test_chosen_weights_are_compared_beside_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under names that say so; schedules are multiplied too."""
    monkeypatch.setattr(recipes, "CHOSEN", {"at": 0.1, "dkd": 0.1})
    found = compared(["at", "dkd"])
    assert list(found) == ["hard_labels", "at", "dkd", "at × 0.1", "dkd × 0.1"]
    weights = {name: one.weights for name, one in found.items() if isinstance(one, WeightedSum)}
    assert weights["at"]["at"] == pytest.approx(10 * weights["at × 0.1"]["at"])
    assert weights["dkd × 0.1"]["dkd"] == weights["dkd"]["dkd"].model_copy(update={"end": 0.1})


def test_the_weight_of_the_fewest_errors_is_chosen() -> None:
    """By the mean over the seeds, and only where it is a tenth better than the published one."""
    errors = {"at": [(9, 9), (2, 8), (6, 5)], "sp": [(40, 40), (40, 37), (90, 90)]}
    lines = [
        line(named(kind, factor), seed, made)
        for kind, by_factor in errors.items()
        for factor, by_seed in zip(FACTORS, by_factor, strict=True)
        for seed, made in enumerate(by_seed)
    ]
    assert best_factors(lines) == {"at": 0.1, "sp": 1.0}
    tried = set(map(kind_of, weights_to_try()))
    assert {"at", "sp", "dkd"} <= tried
    assert not {"hard_labels", "soft_targets", "mutual", "best_of"} & tried


def test_hintons_sum_and_plain_hard_labels_are_there() -> None:
    """The two that all others are looked at beside."""
    both = compared(["weighted_sum"])
    assert both["hard_labels"] == HardLabels()
    assert both["weighted_sum"] == losses.hinton(temperature=4, hard_label_weight=0.1)


def test_every_loss_trains(tmp_path: Path, few_digits: MnistData) -> None:
    """Each in its setting, from the same start."""
    lines = run(tmp_path, few_digits, None)
    teachers = {one["seed"]: one["id"] for one in lines if one["name"] == "teacher"}
    students = [one for one in lines if one["name"] != "teacher"]
    assert lines[0]["name"] == "teacher"
    assert [one["name"] for one in students] == [*compared()]
    assert len({one["test_errors_before"] for one in students}) == 1
    assert not [one["name"] for one in students if one["diverged"]]
    assert all(0 <= one["test_errors"] <= one["cases"] == 200 for one in students)
    taught_by = {one["name"]: one["config"]["teacher"] for one in students}
    assert taught_by.pop("best_of") == [teachers[0], teachers[1]]
    assert set(taught_by.values()) == {teachers[0]}
    assert {one["name"] for one in students if one["config"].get("students") == 2} == {"mutual"}
    assert len({one["id"] for one in lines}) == len(lines)
    assert Loss.from_dict(lines[-1]["config"]["loss"]) == compared()[lines[-1]["name"]]


def test_what_was_run_is_not_run_again(tmp_path: Path, few_digits: MnistData) -> None:
    """The same call goes on after a kill, and gives what was missing the numbers it would have had."""
    whole = run(tmp_path, few_digits, ["dkd"])
    file = tmp_path / "results.jsonl"
    as_it_was = file.read_bytes()
    assert run(tmp_path, few_digits, ["dkd"]) == whole
    assert file.read_bytes() == as_it_was
    two, last = as_it_was.splitlines(keepends=True)[:2], as_it_was.splitlines(keepends=True)[2]
    file.write_bytes(b"".join([*two, last[:40]]))
    (again,) = run(tmp_path, few_digits, ["dkd"])[2:]
    same = ("id", "name", "seed", "test_errors_before", "test_errors", "teacher_agreement", "config")
    assert {name: again[name] for name in same} == {name: whole[2][name] for name in same}


def test_an_interrupt_loses_no_run_that_ended(tmp_path: Path, few_digits: MnistData) -> None:
    """A line is on the disk before anybody is told."""

    def stop(text: str) -> None:
        if "hard_labels" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, few_digits, ["dkd"], say=stop)
    assert [one["name"] for one in read_lines(tmp_path / "results.jsonl")] == ["teacher", "hard_labels"]
    assert len(run(tmp_path, few_digits, ["dkd"])) == 3


def test_a_teacher_that_cannot_be_made_again_is_refused(tmp_path: Path, few_digits: MnistData) -> None:
    """Students of two teachers are not compared."""
    lines = run(tmp_path, few_digits, [])
    for kept in (tmp_path / "teachers").iterdir():
        kept.unlink()
    lines[0]["test_errors"] += 1
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    with pytest.raises(ConfigurationError, match="The teacher of seed 0 made"):
        run(tmp_path, few_digits, ["dkd"])


def test_verdicts_are_those_of_the_paired_test() -> None:
    """By SciPy, and Holm by hand: the smallest of three p-values times three, and so on."""
    errors = {
        "hard_labels": [100, 110, 105, 95, 104],
        "dkd": [60, 71, 66, 54, 65],
        "at": [150, 163, 155, 147, 152],
        "sp": [101, 108, 106, 95, 103],
    }
    lines = [line(name, seed, one) for name, each in errors.items() for seed, one in enumerate(each)]
    found = {one.name: one for one in verdicts(lines)}
    assert list(found) == ["dkd", "sp", "hard_labels", "at"]
    assert [one.verdict for one in found.values()] == ["better", "no difference shown", "baseline", "worse"]
    assert found["dkd"].differences == (-40, -39, -39, -41, -39)
    plain = {name: scipy.stats.ttest_rel(each, errors["hard_labels"]).pvalue for name, each in errors.items()}
    smallest, middle, largest = sorted(("dkd", "at", "sp"), key=lambda name: plain[name])
    assert found[smallest].p == pytest.approx(3 * plain[smallest])
    assert found[middle].p == pytest.approx(2 * plain[middle])
    assert found[largest].p == pytest.approx(plain[largest])


def test_one_seed_shows_nothing() -> None:
    """No spread, no verdict."""
    (first, second) = verdicts([line("hard_labels", 0, 100), line("dkd", 0, 10)])
    assert (first.name, first.verdict, first.p) == ("dkd", "no difference shown", None)
    assert second.verdict == "baseline"


def test_only_seeds_of_both_are_compared() -> None:
    """A loss that is not through yet is compared over what it has."""
    lines = [line("hard_labels", seed, 100 + seed) for seed in range(3)]
    found = {one.name: one for one in verdicts([*lines, line("dkd", 1, 91), line("dkd", 7, 0)])}
    assert found["dkd"].differences == (-10,)


def test_the_page_says_what_the_lines_say() -> None:
    """Counts, ranges and the table, and that a run diverged."""
    teachers = [line("teacher", seed, 20 + seed, teacher_agreement=None) for seed in range(2)]
    students = [line("hard_labels", seed, 100 + seed) for seed in range(2)]
    students += [line("at", 0, 60), line("at", 1, 1000, diverged=True, teacher_agreement=None)]
    text = results_in_words([*teachers, *students])
    assert "Made by `python compare`. C, 1 thread a run, torch 2, distillkit 0" in text
    assert "teachers make 20 to 21 errors on the 1,000 test cases" in text
    assert "3 of 4 students ended with fewer errors" in text
    assert "| `hard_labels` | hard_labels | 100\u00a0±\u00a01 |  |  | baseline | 90.0 % | 2 |" in text
    assert "| `at` | at | 530\u00a0±\u00a0665 (1 diverged) | +430\u00a0(" in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dkd", "warm-up to 1 · dkd at T = 4 + 1 · hard_labels"),
        ("fsp", "0.02441 · fsp (stage2, stage3) + 1 · hard_labels"),
        ("standardized", "9 · standardized of soft_targets at T = 2 + 0.1 · hard_labels"),
        ("soft_targets", "soft_targets at T = 4"),
    ],
)
def test_a_loss_is_told_in_a_few_words(kind: str, words: str) -> None:
    """Weights, temperatures and layers."""
    assert told(compared([kind])[kind].to_dict()) == words


def test_the_figure_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    """And none is drawn of the baseline alone."""
    lines = [line("hard_labels", seed, 100 + seed) for seed in range(3)]
    assert not write_figure(tmp_path, "losses", lambda: losses_figure(lines))
    lines += [line("at", seed, 150 - seed) for seed in range(3)]
    drawn = []
    for _ in range(2):
        assert write_figure(tmp_path, "losses", lambda: losses_figure(lines))
        drawn.append((tmp_path / "figures" / "losses.svg").read_bytes())
    assert drawn[0] == drawn[1]
