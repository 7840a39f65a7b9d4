"""Every published number that a reproduction is held against: data, never used to steer a run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from distillkit.mnist.judging.units import ACCURACY, FRAMES, PER_CENT, TEST_ERRORS, THREES, Unit

HINTON_PAPER = "Hinton, Vinyals, Dean 2015 (arXiv 1503.02531)"
DROPOUT_PAPER = "Hinton et al. 2012 (arXiv 1207.0580), as re-implemented in mdenil/dropout"
THE_REPORT = "Chubarau 2025, Reproducing Knowledge Distillation on MNIST"
REPORT_CODE = "the code behind the 2025 report, run as published on a CPU (seed 1337)"
PRADYOT = "pradyot-09/DL-Reproducibility-Project"
POPERSON = "poperson1205/knowledge_distillation"


@dataclass(frozen=True)
class PublishedNumber:
    """One number of a publication."""

    id: str
    source: str
    where: str
    """Section, table or figure of the source."""
    what: str
    value: float
    unit: Unit
    tuned_on_test: bool = False
    """Whether the publication chose a setting of this number on the test set."""
    note: str = ""


def _hinton(id: str, what: str, value: float, unit: Unit = TEST_ERRORS, *, note: str = "") -> PublishedNumber:
    return PublishedNumber(id, HINTON_PAPER, "section 3", what, value, unit, note=note)


def _tuned(id: str, what: str, value: float, unit: Unit, *, note: str) -> PublishedNumber:
    what = f"{what} by the shift that is best on the test set"
    return PublishedNumber(id, HINTON_PAPER, "section 3", what, value, unit, tuned_on_test=True, note=note)


def _speech(id: str, section: str, what: str, value: float, *, note: str = "") -> PublishedNumber:
    return PublishedNumber(id, HINTON_PAPER, section, f"speech: {what}", value, FRAMES, note=note)


def _report(id: str, what: str, value: float, unit: Unit = TEST_ERRORS, *, note: str = "") -> PublishedNumber:
    return PublishedNumber(id, THE_REPORT, "section 3", what, value, unit, note=note)


_OMIT = "student, D = 800, T = 20, digit 3 omitted from the transfer set"
_BIAS = "digit 3 omitted, bias of class 3 raised"
_ONLY = "student, D = 800, T = 20, transfer set of only 7s and 8s"
_LOWERED = "only 7s and 8s, their biases lowered"
_SHIFTS = {
    "held-out": "by a shift chosen on held-out training cases",
    "label-free": "by a shift chosen without labels",
}
_OTHER_SHIFT = "the published shift was tuned on the test set; this one is not"

_HINTON_NUMBERS = (
    _hinton("H1", "teacher, 784-1200-1200-10, dropout, weight constraints, jitter up to 2 pixels", 67),
    _hinton("H2", "baseline student, D = 800, no regularisation, hard labels only", 146),
    _hinton("H3", "distilled student, D = 800, T = 20", 74),
    _hinton("H5", _OMIT, 206),
    _hinton("H5-threes", _OMIT, 133, THREES),
    _tuned("H6", _BIAS, 109, TEST_ERRORS, note="raised by 3.5"),
    _tuned("H6-threes", _BIAS, 14, THREES, note="98.6 % of the threes right"),
    *(_hinton(f"H6-{kind}", f"{_BIAS} {how}", 109, note=_OTHER_SHIFT) for kind, how in _SHIFTS.items()),
    _hinton("H7", _ONLY, 47.3, PER_CENT),
    _tuned("H8", _LOWERED, 13.2, PER_CENT, note="lowered by 7.6"),
    *(
        _hinton(f"H8-{kind}", f"{_LOWERED} {how}", 13.2, PER_CENT, note=_OTHER_SHIFT)
        for kind, how in _SHIFTS.items()
    ),
    _speech("H12", "section 4", "one net distilled from an ensemble of ten", 60.8),
    _speech("H12-single", "section 4", "one net", 58.9),
    _speech("H12-ensemble", "section 4", "the ensemble of ten nets", 61.1),
    _speech("H13", "section 6", "soft targets, 3 % of the data", 57.0),
    _speech("H13-hard", "section 6", "hard labels, 3 % of the data", 44.5, note="early-stopped"),
    _speech("H13-all", "section 6", "hard labels, all data", 58.9),
    PublishedNumber("H14", HINTON_PAPER, "section 5", "JFT: generalist with specialists", 26.1, ACCURACY),
    PublishedNumber("H14-generalist", HINTON_PAPER, "section 5", "JFT: generalist", 25.0, ACCURACY),
)

_REPORT_NUMBERS = (
    _report("R-teacher", "teacher", 143, note="its Figure 2 shows 149"),
    PublishedNumber(
        "R-teacher-no-dropout",
        THE_REPORT,
        "section 2",
        "teacher without dropout",
        120,
        TEST_ERRORS,
        note="roughly",
    ),
    _report("R-baseline", "student, D = 800, without distillation", 188),
    _report("R-distilled", "student, D = 800, T = 20", 158),
    _report("R-omit3", _OMIT, 224),
    _report("R-omit3-threes", _OMIT, 100, THREES),
    _report(
        "R-omit3-noKD-threes",
        "student, D = 800, without distillation, digit 3 omitted",
        1010,
        THREES,
        note="nearly all",
    ),
)

PUBLISHED_SHIFTS: Mapping[str, float] = MappingProxyType({"H6": 3.5, "H8": -7.6})
"""Shifts of the biases in the paper, for the rows that it tunes so."""

_PRADYOT_WHY = "1,000 epochs; its transfer set is jittered too; mean-reduced KL"
_POPERSON_WHY = "norm limit 15 instead of its root; colour jitter"

OTHER_NUMBERS = (
    PublishedNumber(
        "2012-plain", DROPOUT_PAPER, "", "teacher-plain", 160, TEST_ERRORS, note="no jitter; unverified"
    ),
    PublishedNumber(
        "2012-hidden", DROPOUT_PAPER, "", "teacher-hidden", 130, TEST_ERRORS, note="no jitter; unverified"
    ),
    PublishedNumber(
        "2012-input", DROPOUT_PAPER, "", "teacher-input", 110, TEST_ERRORS, note="no jitter; unverified"
    ),
    PublishedNumber("code-teacher", REPORT_CODE, "", "teacher", 151, TEST_ERRORS),
    PublishedNumber("code-baseline", REPORT_CODE, "", "D800-noKD", 189, TEST_ERRORS),
    PublishedNumber("code-distilled", REPORT_CODE, "", "D800-T20", 156, TEST_ERRORS),
    PublishedNumber("code-D300", REPORT_CODE, "", "D300-noKD", 2290, TEST_ERRORS),
    PublishedNumber("code-omit3", REPORT_CODE, "", "D800-T20-omit3", 213, TEST_ERRORS),
    PublishedNumber("code-omit3-threes", REPORT_CODE, "", "D800-T20-omit3", 85, THREES),
    PublishedNumber("R-fig2-teacher", THE_REPORT, "Figure 2", "teacher", 149, TEST_ERRORS),
    PublishedNumber("pradyot-teacher", PRADYOT, "", "teacher", 64, TEST_ERRORS, note="1,000 epochs"),
    PublishedNumber("pradyot-distilled", PRADYOT, "", "D800-T20", 67, TEST_ERRORS, note=_PRADYOT_WHY),
    PublishedNumber("pradyot-omit3", PRADYOT, "", "D800-T20-omit3", 161, TEST_ERRORS, note=_PRADYOT_WHY),
    PublishedNumber("pradyot-omit3-threes", PRADYOT, "", "D800-T20-omit3", 2, THREES, note=_PRADYOT_WHY),
    PublishedNumber("poperson-teacher", POPERSON, "", "teacher", 100, TEST_ERRORS, note=_POPERSON_WHY),
    PublishedNumber("poperson-baseline", POPERSON, "", "D800-noKD", 171, TEST_ERRORS),
    PublishedNumber("poperson-distilled", POPERSON, "", "D800-T20", 111, TEST_ERRORS, note=_POPERSON_WHY),
)
"""Numbers of others for the same cells (`what` names the cell): shown beside ours, not judged by."""


@cache
def published_curves() -> Mapping[tuple[int, str], tuple[int, ...]]:
    """The report's Figure 2: test errors after each of 25 epochs, keyed by (hidden units, run).

    Returns:
        Runs are "teacher", "noKD" and "T1" ... "T50".

    Example:
        >>> published_curves()[800, "T20"][-1]
        158
    """
    text = (
        resources.files("distillkit.mnist.judging")
        .joinpath("published_curves.csv")
        .read_text(encoding="utf-8")
    )
    rows = list(csv.reader(text.splitlines()))[1:]
    return MappingProxyType({(int(row[0]), row[1]): tuple(int(errors) for errors in row[2:]) for row in rows})


def figure_2_id(hidden_units: int, run: str) -> str:
    """Id of a cell of the report's Figure 2.

    Example:
        >>> figure_2_id(30, "T4")
        'R-fig2-D30-T4'
    """
    return f"R-fig2-D{hidden_units}-{run}"


@cache
def published_numbers() -> Mapping[str, PublishedNumber]:
    """Every number that a row of the ledger is held against, by id, in a fixed order.

    Example:
        >>> published_numbers()["R-distilled"].value
        158
    """
    figure_2 = (
        PublishedNumber(
            figure_2_id(hidden, run),
            THE_REPORT,
            "Figure 2",
            _figure_2_cell(hidden, run),
            curve[-1],
            TEST_ERRORS,
        )
        for (hidden, run), curve in published_curves().items()
        if run != "teacher"
    )
    return MappingProxyType({number.id: number for number in (*_HINTON_NUMBERS, *_REPORT_NUMBERS, *figure_2)})


def _figure_2_cell(hidden: int, run: str) -> str:
    how = "without distillation" if run == "noKD" else f"T = {run.removeprefix('T')}"
    return f"student, D = {hidden}, {how}, after epoch 25"
