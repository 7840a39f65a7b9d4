"""Units of the numbers that are published and measured: how they are read from a result, and rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distillkit.mnist.judging.records import LedgerRow
from distillkit.workbench.statistics import writing

OMITTED = 3
"""The digit that the papers omit."""


@dataclass(frozen=True)
class Unit:
    """The unit of a number that counts or measures.

    Attributes:
        name: As it stands in the ledger.
        digits: Decimals that are written.
        cases: Test cases that are counted; 0 of a number that is no count of wrong cases.
        per_case: What one wrong case adds to the number.
    """

    name: str
    digits: int
    cases: int = 0
    per_case: float = 0.0

    def of(self, result: Mapping[str, Any]) -> float:
        """Return the number of one result, of a unit that counts cases."""
        if self is THREES:
            return float(result["errors_by_class"][OMITTED])
        return float(result["test_errors"]) * self.per_case

    def number(self, value: float | None, *, sign: bool = False, absent: str = "") -> str:
        """Write a number of this unit; `absent` where there is none."""
        return absent if value is None else writing.number(value, self.digits, sign=sign)

    def published(self, value: float | None, *, sign: bool = False, absent: str = "") -> str:
        """Write a published number, with no more decimals than it was published with.

        Example:
            >>> PER_CENT.published(13.2), PER_CENT.number(13.2), SHARE.published(0.9114)
            ('13.2', '13.20', '0.91')
        """
        text = self.number(value, sign=sign, absent=absent)
        return text if value is None else min(text, f"{value:{'+' if sign else ''}g}", key=len)

    def mean_and_spread(self, row: LedgerRow, absent: str = "") -> str:
        """Write `ours` and `sd` of a row of the ledger; `absent` where there is nothing of ours."""
        return absent if row["ours"] is None else writing.mean_and_spread(row["ours"], row["sd"], self.digits)


TEST_ERRORS = Unit("test errors", 1, 10_000, 1.0)
THREES = Unit("errors on the threes", 1, 1_010, 1.0)
PER_CENT = Unit("% test error", 2, 10_000, 0.01)
FRAMES = Unit("% frame accuracy", 1)
ACCURACY = Unit("% accuracy", 1)
SHARE = Unit("share of the gain", 2)
SLOPE = Unit("slope over log T", 2)
DISTANCE = Unit("% of the gradient's length", 2)
CORRELATION = Unit("mean rank correlation", 2)
NONE = Unit("", 1)

UNITS: Mapping[str, Unit] = {
    unit.name: unit
    for unit in (
        TEST_ERRORS, THREES, PER_CENT, FRAMES, ACCURACY, SHARE, SLOPE, DISTANCE, CORRELATION, NONE,
    )
}  # fmt: skip
"""Every unit by its name."""
