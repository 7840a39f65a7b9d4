"""The outcome of a check of a folder, and when two numbers are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from distillkit.mnist.judging.records import LedgerRow


@dataclass
class VerifyOutcome:
    """The outcome of a check: what was looked at, and what did not hold."""

    checked: int = 0
    """Results whose numbers were recomputed from their predictions."""
    problems: list[str] = field(default_factory=list)
    """One sentence a discrepancy: the file, what was expected, what came."""
    notes: list[str] = field(default_factory=list)
    """Remarks that are no discrepancy: seeds still to come, files that are not passed on."""
    rows: list[LedgerRow] = field(default_factory=list)
    """The rows of the ledger, rebuilt from the recomputed numbers."""

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.problems

    def compare(self, where: str, recomputed: Any, came: Any) -> None:
        """Note a discrepancy where what is filed is not what was recomputed.

        Args:
            where: the file, and the place in it.
            recomputed: from the predictions.
            came: what is filed there.

        Example:
            >>> outcome = VerifyOutcome()
            >>> outcome.compare("ledger.json, H1, ours", 67.5, 67.4)
            >>> outcome.problems
            ['ledger.json, H1, ours: expected 67.5 (recomputed) but it says 67.4.']
        """
        if not _alike(recomputed, came):
            self.problems.append(f"{where}: expected {recomputed!r} (recomputed) but it says {came!r}.")


def _alike(expected: Any, came: Any) -> bool:
    """Equal; numbers up to the last bits, in which two versions of a numerical library may differ."""
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        # JSON has string keys only.
        return set(map(str, expected)) == set(came) and all(
            _alike(value, came[str(key)]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(came, list):
        return len(expected) == len(came) and all(map(_alike, expected, came))
    if isinstance(expected, float) and isinstance(came, int | float) and not isinstance(came, bool):
        return math.isclose(expected, came, rel_tol=1e-9, abs_tol=1e-12)
    return type(expected) is type(came) and bool(expected == came)
