"""The ledger: its rows, what never gets a verdict, and that it is JSON as it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from distillkit.mnist.judging.claims import claims
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.ledger import Ledger, build_ledger


def ledger_of(results: Sequence[Any], *predicted: Any, **experiments: Any) -> Any:
    """The ledger of some lines."""
    return build_ledger(Evidence.of(results, *predicted, **experiments))


def rows(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Rows by id."""
    return {row["id"]: row for row in ledger["rows"]}


def test_a_row_has_the_numbers_of_its_cell(fake: ModuleType) -> None:
    """Published, mean, spread, values by seed and the ids of the results behind them."""
    folder = fake.fake_results(["D800-T20"], seeds=4)
    row = rows(ledger_of(folder.results))["R-distilled"]
    errors = [result["test_errors"] for result in folder.results]
    assert (row["published"], row["unit"], row["n"]) == (158, "test errors", 4)
    assert row["values"] == errors
    assert row["seeds"] == [0, 1, 2, 3]
    assert row["ours"] == pytest.approx(sum(errors) / 4)
    assert row["difference"] == pytest.approx(row["ours"] - 158)
    assert row["result_ids"] == [result["id"] for result in folder.results]
    assert row["verdict"] == "verified"


def test_the_order_is_fixed_and_independent_of_the_order_of_results(fake: ModuleType) -> None:
    """Shuffled results give the same ledger, with one row a claim."""
    results = fake.fake_results(seeds=2).results
    ledger = ledger_of(results)
    assert ledger_of(results[::-1]) == ledger
    assert [row["id"] for row in ledger["rows"]] == [claim.id for claim in claims()]


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_the_ledger_is_json(fake: ModuleType, seeds: int) -> None:
    """It goes to JSON and back unchanged, without NaN, with any number of seeds, none included."""
    ledger = ledger_of(fake.fake_results(seeds=seeds).results)
    assert json.loads(json.dumps(ledger, allow_nan=False)) == ledger


def test_numbers_of_3000_epochs_are_toys_under_25(fake: ModuleType) -> None:
    """The paper's numbers are shown, not judged, under the report's protocols; its directions are judged."""
    found = rows(ledger_of(fake.fake_results(seeds=4).results))
    assert found["H1"]["verdict"] == "toy"
    assert found["H1"]["deviations"][0] == "25 epochs instead of 3,000."
    assert found["H-claim-distillation-helps"]["verdict"] == "verified"
    assert found["H9"]["verdict"] == "not attempted"


def test_numbers_of_the_report_are_toys_under_other_protocols(fake: ModuleType) -> None:
    """Under the paper's own protocol its numbers are judged and the report's are not."""
    found = rows(
        build_ledger(
            Evidence.of(fake.fake_results(seeds=4, protocol="hinton-2015", errors={"teacher": 67}).results)
        )
    )
    assert found["H1"]["verdict"] == "verified"
    assert found["R-teacher"]["verdict"] == "toy"


def test_the_long_protocols_have_rules_of_their_own(fake: ModuleType) -> None:
    """The whole grid is judged by tests that their number corrects; the report's grid as it always was."""
    by_protocol = {
        name: rows(ledger_of(fake.fake_results(seeds=4, protocol=name).results))
        for name in ("report-2025", "modern")
    }
    assert "Holm" in by_protocol["modern"]["H4-narrow"]["rule"]
    assert "Holm" not in by_protocol["report-2025"]["H4-narrow"]["rule"]
    assert by_protocol["modern"].keys() - by_protocol["report-2025"].keys() == {
        "H3-gap", "H12-gain", "H9-weight", "H13-soft-targets", "H13-early-stopping", "H13-share",
        "H14-specialists", "H14-longer", "H14-one-net",
    }  # fmt: skip
    assert [by_protocol[name]["H9"]["kind"] for name in ("modern", "report-2025")] == ["slope", "property"]
    gain = by_protocol["modern"]["H12-gain"]
    assert (round(gain["published"], 2), gain["verdict"]) == (0.86, "not attempted")


def test_a_quick_run_verifies_nothing(fake: ModuleType) -> None:
    """Whatever has a verdict is a toy, and says that it was quick."""
    found = ledger_of(fake.fake_results(seeds=1, quick=True).results)["rows"]
    assert {row["verdict"] for row in found} == {"toy", "not attempted"}
    assert all("quick" in row["deviations"][0] for row in found if row["verdict"] == "toy")


def test_stand_in_data_are_compared_with_nothing(fake: ModuleType) -> None:
    """No published number, no difference to one, no verdict; our own numbers are there."""
    ledger = ledger_of(fake.fake_results(seeds=3, data="stand-in").results)
    assert ledger["stand_in"] is True
    assert {row["verdict"] for row in ledger["rows"]} == {"not attempted"}
    assert {row["published"] for row in ledger["rows"]} == {None}
    number = rows(ledger)["R-distilled"]
    assert number["ours"] is not None
    assert (number["difference"], number["p"], number["significant"], number["deviations"]) == (
        None,
        None,
        None,
        [],
    )


def test_what_was_tuned_on_the_test_set_is_marked(fake: ModuleType) -> None:
    """Only the rows of the test-tuned shifts, in the paper and here."""
    tuned = {
        row["id"] for row in ledger_of(fake.fake_results(seeds=1).results)["rows"] if row["tuned_on_test"]
    }
    assert tuned == {"H6", "H6-threes", "H8"}


def test_dead_classes_are_counted(fake: ModuleType) -> None:
    """A row says how many of its runs never predict a class, and which."""
    dead = {("D300-noKD", 0): (1, 4), ("D300-noKD", 2): (1,)}
    row = rows(ledger_of(fake.fake_results(["D300-noKD"], seeds=3, dead=dead).results))["R-fig2-D300-noKD"]
    assert (row["never_predicted"]["runs"], row["never_predicted"]["of"]) == (2, 3)
    assert [one["classes"] for one in row["never_predicted"]["which"]] == [[1, 4], [1]]


def test_runs_that_only_choose_a_shift_are_never_shown(fake: ModuleType) -> None:
    """Helper runs on 55,000 cases appear neither as cells nor behind rows."""
    folder = fake.fake_results(seeds=2)
    helpers = {result["id"] for result in folder.results if result["name"].endswith("-tuning")}
    ledger = ledger_of(folder.results)
    assert helpers
    assert not any(name.endswith("-tuning") for name in ledger["cells"])
    assert not any(helpers & set(row["result_ids"]) for row in ledger["rows"])


def test_predictions_make_the_one_seed_test_exact(fake: ModuleType) -> None:
    """The header says which test single runs got."""
    folder = fake.fake_results(["D800-T20", "D800-noKD"], seeds=1)
    exact = ledger_of(folder.results, folder.predictions, folder.labels)
    assert exact["one_seed_test"] == "exact McNemar test"
    assert rows(exact)["R-claim-distillation-helps"]["test"] == "exact McNemar test"
    assert ledger_of(folder.results)["one_seed_test"] == "two-proportion z test"


def test_commands_name_the_protocol_and_the_seeds(fake: ModuleType) -> None:
    """A cell of the grid has a sweep of its own, the rest the command of the folder."""
    found = rows(ledger_of(fake.fake_results(seeds=2).results))
    assert (
        found["R-fig2-D30-T4"]["command"]
        == "distillkit sweep --D 30 --T 4 --protocol report-2025 --seeds 2 --precision fp32"
    )
    assert (
        found["R-teacher"]["command"]
        == "distillkit reproduce hinton-mnist --protocol report-2025 --seeds 2 --precision fp32"
    )
    own = rows(build_ledger(Evidence.of(fake.fake_results(seeds=2).results), command="distillkit reproduce"))
    assert own["R-teacher"]["command"] == "distillkit reproduce"


def test_other_epochs_than_the_reports_are_toys(fake: ModuleType) -> None:
    """A shortened sweep under the report's protocol verifies nothing and says how many epochs it had."""
    results = fake.fake_results(["D800-T20", "D800-noKD"], seeds=3).results
    for result in results:
        result["config"] = {**result["config"], "training": {"epochs": 5}}
    found = rows(ledger_of(results))
    for key in ("R-distilled", "R-claim-distillation-helps", "H3"):
        assert found[key]["verdict"] == "toy"
        assert "Epochs: 5, not the 25 of the report." in found[key]["deviations"]
    assert found["H3"]["deviations"][0] == "5 epochs instead of 3,000."
    assert found["R-distilled"]["command"].endswith("--seeds 3 --epochs 5 --precision fp32")


def test_deviations_name_what_touches_a_row(fake: ModuleType) -> None:
    """How students were trained stands beside students, the hard labels' weight beside distilled ones."""
    cells = ["teacher", "D800-noKD", "D800-T20"]
    found = rows(ledger_of(fake.fake_results(cells, seeds=2, protocol="hinton-2015").results))
    said = {key: " ".join(found[key]["deviations"]) for key in ("H1", "H2", "H3")}
    assert ["a tenth of its learning rate" in said[key] for key in said] == [False, True, True]
    assert ["weight of the hard labels" in said[key] for key in said] == [False, False, True]


def test_a_shortened_long_protocol_is_a_toy(fake: ModuleType) -> None:
    """Teacher and students have epochs of their own there."""
    results = fake.fake_results(["teacher", "D800-T20"], seeds=3, protocol="modern").results
    for result in results:
        result["config"] = {**result["config"], "training": {"epochs": 60}}
    found = rows(ledger_of(results))
    assert found["H1"]["verdict"] == "toy"
    assert "Epochs: 60, not the 400 of the protocol." in found["H1"]["deviations"]
    assert found["H3"]["verdict"] == "falsified"
    assert not any(sentence.startswith("Epochs") for sentence in found["H3"]["deviations"])


def test_reduced_precision_is_a_deviation(fake: ModuleType) -> None:
    """A forward pass in bf16 is said beside the numbers that it made."""
    results = fake.fake_results(["D800-T20"], seeds=2).results
    for result in results:
        result["environment"] = {**result["environment"], "precision": "bf16"}
    assert "The forward pass runs in bf16." in rows(ledger_of(results))["R-distilled"]["deviations"]
