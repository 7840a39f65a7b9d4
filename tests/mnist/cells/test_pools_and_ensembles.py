"""Students of unlabelled images, and of ten nets: what they learn from, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distillkit.mnist.cells.cell import MEMBERS, member_cells, pool_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.runs import train_cells
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.data.pools import Pool
from distillkit.mnist.judging.claims import claims
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.plan import POOL_SIZES, POOLS
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import HINTON_2015, MODERN
from distillkit.mnist.reproduction import reproduce
from distillkit.mnist.verifying.verify import verify_folder
from distillkit.workbench.workers.observer import Silent

SMALL = MODERN.model_copy(
    update={"teacher": NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))}
).with_epochs(2)

Rows = list[dict[str, Any]]


@pytest.fixture
def context(few_digits: MnistData) -> RunContext:
    """Few digits, one CPU."""
    return RunContext(few_digits, "modern", False, torch.device("cpu"), "fp32", Silent())


@pytest.fixture
def run(context: RunContext) -> Callable[..., Rows]:
    """An experiment into a folder."""
    return lambda folder, only: reproduce(SMALL, 1, context, folder, only=[only])


@pytest.mark.parametrize("images", POOLS)
def test_a_pool_repeats_so_many_images(few_digits: MnistData, images: Any) -> None:
    """As many rows as the training set, of so many different images; other seeds, other images."""
    pool = Pool(images=images, number=100)
    drawn = pool.draw(few_digits, seed=0)
    assert drawn.shape == few_digits.train_images.shape
    assert len(drawn.unique(dim=0)) == 100
    assert -1 <= drawn.min() < drawn.max() <= 1
    assert torch.equal(drawn, pool.draw(few_digits, seed=0))
    assert not torch.equal(drawn, pool.draw(few_digits, seed=1))


def test_pools_are_of_the_kind_that_they_say(few_digits: MnistData) -> None:
    """Training images are the training set's, all of them where all are asked for; the others are not."""
    known = {tuple(row.tolist()) for row in few_digits.train_images}
    for images, number, same in (("training", 60_000, 300), ("fonts", 300, 0), ("noise", 300, 0)):
        drawn = Pool(images=images, number=number).draw(few_digits, seed=0)
        assert len({tuple(row.tolist()) for row in drawn} & known) == same


def test_a_students_pool_has_the_pixels_of_its_protocol(context: RunContext) -> None:
    """From 0 to 1 where the protocol says so; images alone, without labels."""
    cell = pool_cell(HINTON_2015, 8, 20, Pool(images="noise", number=10))
    learnt_from = context.learnt_from(cell, 0)
    assert isinstance(learnt_from, torch.Tensor)
    assert learnt_from.shape == (300, 1, 28, 28)
    assert 0 <= learnt_from.min() < 0.1


def test_unlabelled_pools_of_all_kinds_and_numbers(run: Callable[..., Rows], tmp_path: Path) -> None:
    """Each is a run whose loss knows no labels, beside the baseline that it is held against."""
    rows = run(tmp_path, "H11")
    names = [row["name"] for row in rows]
    pools = [f"D800-T20-{images}-{number}" for images in POOLS for number in POOL_SIZES]
    assert names == ["teacher", "D800-noKD", *pools]
    assert {row["config"]["loss"]["kind"] for row in rows[2:]} == {"soft_targets"}
    assert rows[-1]["config"]["pool"] == {"images": "noise", "number": 60_000}
    assert "pool" not in rows[1]["config"]


def test_ten_nets_into_one(run: Callable[..., Rows], few_digits: MnistData, tmp_path: Path) -> None:
    """Ten starts, what they say together by either mean, and a net from each; it all adds up from disk."""
    rows = run(tmp_path, "H12")
    by_name = {row["name"]: row for row in rows}
    members = [row for row in rows if "-member-" in row["name"]]
    assert len(members) == MEMBERS
    (gain,) = [claim for claim in claims("modern") if claim.id == "H12-gain"]
    assert gain.rule.find(Evidence.of(rows), None).cells[:MEMBERS] == tuple(row["name"] for row in members)
    assert len({(tmp_path / "predictions" / f"{row['id']}.npy").read_bytes() for row in members}) == MEMBERS
    assert "teacher" not in by_name
    for average in ("probabilities", "logits"):
        ensemble, net = by_name[f"ensemble-mean-{average}"], by_name[f"D800-T20-of-mean-{average}"]
        assert ensemble["config"]["teacher"] == net["config"]["teacher"]
        assert ensemble["config"]["teacher"]["members"] == [row["id"] for row in members]
        assert net["teacher_agreement"] is not None
    outcome = verify_folder(tmp_path, few_digits.test_labels.numpy())
    assert [one for one in outcome.problems if "ledger" not in one and "MANIFEST" not in one] == []


def test_the_ensemble_says_what_its_members_say(
    run: Callable[..., Rows], few_digits: MnistData, tmp_path: Path
) -> None:
    """The class of the largest mean probability, computed from the members' weights on disk."""
    from safetensors.torch import load_file

    rows = run(tmp_path, "H12")
    images = few_digits.test_images
    mean = torch.zeros(len(images), 10)
    for row in rows:
        if "-member-" in row["name"]:
            network = SMALL.student(800).build(seed=0)
            network.load_state_dict(load_file(tmp_path / "teachers" / f"{row['id']}.safetensors"))
            mean += network(images).softmax(dim=1).detach()
    (ensemble,) = [row for row in rows if row["name"] == "ensemble-mean-probabilities"]
    kept = np.load(tmp_path / "predictions" / f"{ensemble['id']}.npy")
    assert (kept == mean.argmax(dim=1).numpy()).mean() >= 0.99


def test_going_on_needs_no_member_again(
    run: Callable[..., Rows], context: RunContext, tmp_path: Path
) -> None:
    """A net whose line was lost is distilled again from the members' files, the same."""
    whole = run(tmp_path, "H12")
    file = tmp_path / "results.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    again = run(tmp_path, "H12")
    assert [{**row, "duration_s": 0} for row in again] == [{**row, "duration_s": 0} for row in whole]


def test_starts_differ_in_everything_that_is_drawn(context: RunContext) -> None:
    """Two starts of a seed are two nets; the same start is the same net."""
    first, second = member_cells(SMALL, 8)[:2]
    one, other = (train_cells([cell], 0, context)[0].kept[-1] for cell in (first, second))
    same = train_cells([first], 0, context)[0].kept[-1]
    assert one.line["id"] == same.line["id"] != other.line["id"]
    assert np.array_equal(one.predictions, same.predictions)
    assert not np.array_equal(one.predictions, other.predictions)
