"""The experiments by their ids: what each needs, and running some of them now and others later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.judging.commands import command_of
from distillkit.mnist.plan import TEMPERATURES, WIDTHS, experiments_of, reproduction_stages
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import HINTON_2015, MODERN, REPORT_2025, Protocol
from distillkit.mnist.reproduction import reproduce
from distillkit.workbench import read_settings
from distillkit.workbench.workers.observer import Silent

SMALL = MODERN.model_copy(
    update={"teacher": NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))}
).with_epochs(1)

Rows = list[dict[str, Any]]


def names(protocol: Protocol, *only: str) -> list[str]:
    """The cells of some experiments."""
    return [cell.name for stage in reproduction_stages(protocol, 0, only) for cell in stage]


@pytest.mark.parametrize("protocol", [MODERN, HINTON_2015], ids=lambda protocol: protocol.name)
def test_the_long_protocols_have_the_papers_grid(protocol: Protocol) -> None:
    """Every width at every temperature and without distillation, each cell once."""
    cells = names(protocol)
    grid = {f"D{width}-T{temperature:g}" for width in WIDTHS for temperature in TEMPERATURES}
    assert (len(WIDTHS), len(TEMPERATURES)) == (5, 12)
    assert grid | {f"D{width}-noKD" for width in WIDTHS} <= set(cells)
    assert len(cells) == len(set(cells)) == 1 + 5 * 13 + 3 + 3 * 4 + 10 + 2


@pytest.mark.parametrize(
    ("only", "cells"),
    [
        (("H1",), ["teacher"]),
        (("H2",), ["D800-noKD"]),
        (("H3",), ["teacher", "D800-T20"]),
        (("H1", "H2", "H3"), ["teacher", "D800-noKD", "D800-T20"]),
        (("H5",), ["teacher", "D800-noKD-omit3", "D800-T20-omit3"]),
        (("H6",), ["teacher", "D800-T20-omit3"]),
        (("H8",), ["teacher", "D800-T20-only78"]),
    ],
)
def test_an_experiment_comes_with_what_it_depends_on(only: tuple[str, ...], cells: list[str]) -> None:
    """The teacher, where there is something to teach, and nothing else."""
    assert names(MODERN, *only) == cells


def test_a_bias_is_corrected_where_that_is_asked_for() -> None:
    """H5 trains the student, H6 corrects it too."""
    for only, corrected in ((("H5",), False), (("H5", "H6"), True), ((), True)):
        cells = [cell for stage in reproduction_stages(MODERN, 0, only) for cell in stage]
        assert any(cell.correction for cell in cells) == corrected


def test_every_experiment_has_cells() -> None:
    """Under every protocol; together they are the whole. Specialists have a generalist of their own."""
    for protocol in (MODERN, REPORT_2025):
        parts = {one: set(names(protocol, one)) for one in experiments_of(protocol)}
        assert [one for one, part in parts.items() if not part] == ["H14"] * (protocol is MODERN)
        assert set.union(*parts.values()) == set(names(protocol))


@pytest.mark.parametrize("only", ["H9", "H10", "H13", "dark-knowledge"])
def test_an_experiment_of_several_networks_comes_with_the_teacher(only: str) -> None:
    """And has no other cells."""
    assert names(MODERN, only) == ["teacher"]


def test_an_unknown_experiment_is_refused_with_those_there_are() -> None:
    """In one sentence, before anything is done."""
    with pytest.raises(ConfigurationError, match=r"no experiment 'H99' under modern; there are H1, H2, H3"):
        reproduction_stages(MODERN, 0, ["H1", "H99"])
    with pytest.raises(ConfigurationError, match="R-teacher-no-dropout"):
        reproduction_stages(MODERN, 0, ["R-teacher-no-dropout"])


@pytest.fixture
def run(few_digits: MnistData) -> Callable[..., Rows]:
    """A part of a small reproduction into a folder."""

    def call(folder: Path, only: tuple[str, ...], **changes: Any) -> Rows:
        context = RunContext(few_digits, "modern", False, torch.device("cpu"), "fp32", Silent())
        return reproduce(SMALL, changes.pop("seeds", 1), context, folder, only=only, **changes)

    return call


def test_parts_of_a_folder_add_up(run: Callable[..., Rows], tmp_path: Path) -> None:
    """What was there is kept, what was asked for is remembered, and corrections may come later."""
    first = run(tmp_path, ("H5",))
    assert [row["name"] for row in first] == ["teacher", "D800-noKD-omit3", "D800-T20-omit3"]
    assert command_of(read_settings(tmp_path)) == (
        "distillkit reproduce hinton-mnist --only H5 --protocol modern --seeds 1 --epochs 1 --precision fp32"
    )
    later = run(tmp_path, ("H6", "H1"))
    assert later[: len(first)] == first
    assert sorted(row["name"] for row in later[len(first) :]) == [
        "D800-T20-omit3-bias-held-out", "D800-T20-omit3-bias-label-free", "D800-T20-omit3-bias-test-tuned",
        "D800-T20-omit3-tuning",
    ]  # fmt: skip
    assert {row["correction"]["parent"] for row in later if row["name"].endswith("test-tuned")} == {
        row["id"] for row in later if row["name"] == "D800-T20-omit3"
    }
    assert read_settings(tmp_path)["only"] == ["H1", "H5", "H6"]


def test_the_whole_after_a_part_is_the_whole(tmp_path: Path, run: Callable[..., Rows]) -> None:
    """And a part of a folder that was made for the whole leaves it one."""
    others = tuple(one for one in experiments_of(SMALL) if one != "H2")
    run(tmp_path, ("H2",))
    assert read_settings(tmp_path)["only"] == ["H2"]
    settings = tmp_path / "settings.json"
    text = settings.read_text()
    settings.write_text(text.replace('"H2"', ", ".join(f'"{one}"' for one in others)))
    run(tmp_path, ("H2",))
    assert "only" not in read_settings(tmp_path)
    run(tmp_path, ("H2",))
    assert "only" not in read_settings(tmp_path)


def test_what_is_left_is_estimated_before_it_begins(tmp_path: Path, few_digits: MnistData) -> None:
    """Seconds for each run that is to come, none for those that are done."""
    told: list[tuple[dict[str, float], frozenset[str]]] = []

    class Listen(Silent):
        def planned(self, costs: Any, finished: frozenset[str], at_once: int) -> None:
            told.append((dict(costs), finished))

    context = RunContext(few_digits, "modern", False, torch.device("cpu"), "fp32", Listen())
    reproduce(SMALL, 1, context, tmp_path, only=("H1", "H2"))
    reproduce(SMALL, 1, context, tmp_path, only=("H1", "H2", "H3"))
    (first, none), (second, done) = told
    assert none == frozenset()
    assert done == first.keys() == {"teacher, seed 0", "D800-noKD, seed 0"}
    assert all(seconds > 0 for seconds in first.values())
    assert [second[run] for run in sorted(done)] == [0, 0]
    assert 0 < second["D800-T20, seed 0"] < 60
