"""The published numbers against the facts that they were copied from, and the table of claims."""

from __future__ import annotations

import pytest

from distillkit.mnist.judging.claims import claims
from distillkit.mnist.judging.published import OTHER_NUMBERS, published_curves, published_numbers

FIGURE_2 = {
    30: (1496, 1450, 1438, 305, 315, 443, 306),
    300: (2300, 1141, 167, 173, 1134, 1386, 1579),
    800: (188, 1131, 1115, 149, 154, 158, 152),
}


def test_figure_2_has_25_epochs_and_the_printed_ends() -> None:
    """Every curve has 25 epochs and ends where the table of facts says; the teacher at 149."""
    curves = published_curves()
    assert {len(curve) for curve in curves.values()} == {25}
    for hidden, ends in FIGURE_2.items():
        assert (
            tuple(curves[hidden, run][-1] for run in ("noKD", "T1", "T2", "T4", "T10", "T20", "T50")) == ends
        )
        assert curves[hidden, "teacher"][-1] == 149


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("H1", 67), ("H2", 146), ("H3", 74), ("H5", 206), ("H5-threes", 133), ("H6", 109), ("H6-threes", 14),
        ("H7", 47.3), ("H8", 13.2), ("R-teacher", 143), ("R-baseline", 188), ("R-distilled", 158),
        ("R-omit3", 224), ("R-omit3-threes", 100),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_the_papers(number: str, value: float) -> None:
    """Each number as it is printed."""
    assert published_numbers()[number].value == value


def test_only_the_papers_bias_shifts_were_tuned_on_the_test_set() -> None:
    """H6 and H8 are marked; the same corrections chosen otherwise are not."""
    tuned = {key for key, number in published_numbers().items() if number.tuned_on_test}
    assert tuned == {"H6", "H6-threes", "H8"}


def test_every_claim_has_an_own_id_and_a_rule_in_words() -> None:
    """Ids are not repeated, rules are written, number claims carry the published number and a known unit."""
    table = claims()
    assert len({claim.id for claim in table}) == len(table)
    for claim in table:
        assert claim.rule.text
        assert claim.what
        if claim.rule.kind in ("band", "no_worse"):
            assert claim.published == published_numbers()[claim.id].value
            assert claim.unit.cases


def test_every_published_number_of_mnist_has_a_claim() -> None:
    """No number is left without a rule, but for the second numbers of speech and JFT."""
    ids = {claim.id for claim in claims()}
    without = {key for key in published_numbers() if key not in ids}
    assert without == {"H12-single", "H12-ensemble", "H13-hard", "H13-all", "H14-generalist"}


def test_facts_have_all_ids_of_the_paper() -> None:
    """H1 to H14 each have at least one row."""
    ids = [claim.id for claim in claims()]
    for number in range(1, 15):
        assert any(one == f"H{number}" or one.startswith(f"H{number}-") for one in ids)


def test_other_numbers_have_own_ids() -> None:
    """Numbers for orientation neither repeat each other nor those that are judged."""
    ids = [number.id for number in OTHER_NUMBERS]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(published_numbers())
