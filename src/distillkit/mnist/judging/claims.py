"""The claims of the publications with the rule that judges each, written down before the runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from distillkit.mnist.judging.claim import Claim as Claim
from distillkit.mnist.judging.experiment_claims import MORE, PROPERTIES
from distillkit.mnist.judging.published import (
    HINTON_PAPER,
    THE_REPORT,
    PublishedNumber,
    figure_2_id,
    published_curves,
    published_numbers,
)
from distillkit.mnist.judging.rules.gains import GainKept, GapClosed
from distillkit.mnist.judging.rules.grid import BeatsEachOther, FlatAbove
from distillkit.mnist.judging.rules.numbers import Band, FewerErrors, NotAttempted, NoWorse, Rule
from distillkit.mnist.judging.rules.temperatures import BestBetween, HigherIsBetter, SimilarAbove
from distillkit.mnist.judging.units import CORRELATION, NONE, PER_CENT, SHARE, TEST_ERRORS, THREES, Unit
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, REPORT_PROTOCOLS

_NUMBER_RULES: Mapping[str, Rule] = {
    "H1": NoWorse("teacher"),
    "H2": NoWorse("D800-noKD"),
    "H3": NoWorse("D800-T20"),
    "H5": NoWorse("D800-T20-omit3"),
    "H5-threes": NoWorse("D800-T20-omit3", THREES),
    "H6": NoWorse("D800-T20-omit3-bias-test-tuned"),
    "H6-threes": NoWorse("D800-T20-omit3-bias-test-tuned", THREES),
    "H6-held-out": NoWorse("D800-T20-omit3-bias-held-out"),
    "H6-label-free": NoWorse("D800-T20-omit3-bias-label-free"),
    "H7": NoWorse("D800-T20-only78", PER_CENT),
    "H8": NoWorse("D800-T20-only78-bias-test-tuned", PER_CENT),
    "H8-held-out": NoWorse("D800-T20-only78-bias-held-out", PER_CENT),
    "H8-label-free": NoWorse("D800-T20-only78-bias-label-free", PER_CENT),
    "R-teacher": Band("teacher"),
    "R-teacher-no-dropout": Band("teacher-no-dropout"),
    "R-baseline": Band("D800-noKD"),
    "R-distilled": Band("D800-T20"),
    "R-omit3": Band("D800-T20-omit3"),
    "R-omit3-threes": Band("D800-T20-omit3", THREES),
    "R-omit3-noKD-threes": Band("D800-noKD-omit3", THREES),
}


def _paper(
    id: str, what: str, rule: Rule, published: float | None = None, *, unit: Unit = TEST_ERRORS
) -> Claim:
    return Claim(id, what, HINTON_PAPER, "section 3", unit, rule, published)


def _theirs(
    id: str, what: str, rule: Rule, published: float | None = None, *, unit: Unit = TEST_ERRORS
) -> Claim:
    return Claim(id, what, THE_REPORT, "sections 2 and 3", unit, rule, published)


_HELPS = "distillation at T = 20 makes fewer errors than hard labels alone, D = 800"

_WIDE = "300 or more units a layer: all temperatures above 8 give fairly similar results"
_NARROW = "30 units a layer: temperatures from 2.5 to 4 work significantly better than higher or lower"

_PAPER_DIRECTIONS = (
    _paper("H-claim-distillation-helps", _HELPS, FewerErrors("D800-T20", "D800-noKD"), 74 - 146),
    _paper("H4-wide", _WIDE, SimilarAbove(narrowest=300, above=8, margin=15)),
    _paper("H4-narrow", _NARROW, BestBetween(hidden_units=30, low=2.5, high=4)),
    _paper(
        "H-claim-omit3-knowledge",
        "a distilled student that never saw a 3 knows most of them; one on hard labels does not",
        FewerErrors("D800-T20-omit3", "D800-noKD-omit3", THREES),
        unit=THREES,
    ),
    _paper(
        "H-claim-bias-omit3",
        "raising the bias of class 3, by a shift not chosen on the test set, mends the omission",
        FewerErrors("D800-T20-omit3-bias-held-out", "D800-T20-omit3"),
    ),
    _paper(
        "H-claim-bias-only78",
        "lowering the biases of 7 and 8, by a shift not chosen on the test set, mends the transfer set",
        FewerErrors("D800-T20-only78-bias-held-out", "D800-T20-only78"),
    ),
)

_REPORT_DIRECTIONS = (
    _theirs(
        "R-claim-teacher-dropout-detrimental",
        "with jitter and 25 epochs, the teacher is better without dropout",
        FewerErrors("teacher-no-dropout", "teacher"),
        120 - 140,
    ),
    _theirs("R-claim-distillation-helps", _HELPS, FewerErrors("D800-T20", "D800-noKD"), 158 - 188),
    _theirs(
        "R-claim-omit3-knowledge",
        "the distilled student makes far fewer errors on the unseen threes than one on hard labels",
        FewerErrors("D800-T20-omit3", "D800-noKD-omit3", THREES),
        100 - 1010,
        unit=THREES,
    ),
    _theirs(
        "R-claim-higher-T-better",
        "higher temperatures tend to produce better results for all tested model configurations",
        HigherIsBetter(),
        unit=CORRELATION,
    ),
)

_IN_TESTS = "a property of the loss; the tests of the maths in tests/functional hold it"
_PROPERTIES = (
    ("H9", "section 2", "soft-target gradients scale as 1/T², so they are multiplied by T²", _IN_TESTS),
    ("H10", "section 2.1", "matching logits is the high-temperature limit", _IN_TESTS),
    (
        "H11",
        "section 1",
        "the transfer set may be entirely unlabelled",
        "no run here is on an unlabelled one",
    ),
)
_UNAVAILABLE = {
    "H12": "the speech data are not public",
    "H13": "the speech data are not public",
    "H14": "the JFT data are not public",
}


_UNLABELLED = "a student of unlabelled training images makes fewer errors than one on hard labels, T = 20"
_OF_TEN = "of what ten nets gain together over one, a net distilled from them keeps more than 80 %, T = 20"
_OF_LONG_RUNS: Mapping[str, Claim] = {
    claim.id: claim
    for claim in (
        _paper("H4-wide", _WIDE, FlatAbove(narrowest=300, above=8, margin=15)),
        _paper("H4-narrow", _NARROW, BeatsEachOther(hidden_units=30, low=2.5, high=4)),
        Claim(
            "H11",
            _UNLABELLED,
            HINTON_PAPER,
            "section 1",
            TEST_ERRORS,
            FewerErrors("D800-T20-training-60000", "D800-noKD"),
        ),
        *PROPERTIES.values(),
    )
}
"""The rules of some claims under the long protocols, which train for them; the first runs, of the report's
protocols, were judged by other rules or not at all."""
_MEMBERS = tuple(f"D800-noKD-member-{start}" for start in range(1, 11))
_GAP_CLOSED = Claim(
    "H3-gap",
    "of the gap between student and teacher, distillation at T = 20 closes 91 %",
    HINTON_PAPER,
    "section 3",
    SHARE,
    GapClosed("D800-noKD", "teacher", "D800-T20"),
    (146 - 74) / (146 - 67),
    note="(146 − 74) / (146 − 67)",
)
_GAIN_KEPT = Claim(
    "H12-gain",
    _OF_TEN,
    HINTON_PAPER,
    "section 4",
    SHARE,
    GainKept(_MEMBERS, "ensemble-mean-probabilities", "D800-T20-of-mean-probabilities", 0.8),
    (60.8 - 58.9) / (61.1 - 58.9),
    note="speech: (60.8 − 58.9) / (61.1 − 58.9)",
)


@cache
def claims(protocol: str | None = None) -> tuple[Claim, ...]:
    """Every claim in the order of the ledger: the paper's, then the report's.

    Args:
        protocol: That of the runs; some claims have a rule of their own under the long protocols.

    Example:
        >>> [claim.id for claim in claims()][:5]
        ['H1', 'H2', 'H3', 'H-claim-distillation-helps', 'H4-wide']
        >>> len({claim.id for claim in claims()}) == len(claims())
        True
    """
    numbers = published_numbers()
    hinton = {
        key: _number(numbers[key], LONG_PROTOCOLS, _NUMBER_RULES[key])
        for key in _NUMBER_RULES
        if key[0] == "H"
    }
    report = {
        key: _number(numbers[key], REPORT_PROTOCOLS, _NUMBER_RULES[key])
        for key in _NUMBER_RULES
        if key[0] == "R"
    }
    speech = [_number(numbers[key], None, NotAttempted(why)) for key, why in _UNAVAILABLE.items()]
    figure_2 = [
        _number(numbers[figure_2_id(*key)], REPORT_PROTOCOLS, Band(f"D{key[0]}-{key[1]}"))
        for key in published_curves()
        if key[1] != "teacher"
    ]
    first = [hinton.pop(key) for key in ("H1", "H2", "H3")]
    maths = [
        Claim(id, what, HINTON_PAPER, where, NONE, NotAttempted(why)) for id, where, what, why in _PROPERTIES
    ]
    paper = (*first, *_PAPER_DIRECTIONS[:3], *hinton.values(), *_PAPER_DIRECTIONS[3:], *maths, *speech)
    if protocol in LONG_PROTOCOLS:
        judged = tuple(_OF_LONG_RUNS.get(claim.id, claim) for claim in paper)
        paper = (*judged[:3], _GAP_CLOSED, *judged[3:], _GAIN_KEPT, *MORE)
    return (*paper, *report.values(), *_REPORT_DIRECTIONS, *figure_2)


def _number(number: PublishedNumber, protocols: tuple[str, ...] | None, rule: Rule) -> Claim:
    return Claim(
        number.id,
        number.what,
        number.source,
        number.where,
        number.unit,
        rule,
        number.value,
        protocols,
        number.tuned_on_test,
        number.note,
    )
