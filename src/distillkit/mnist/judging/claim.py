"""One claim of a publication: what it says, and the rule that judges it."""

from __future__ import annotations

from dataclasses import dataclass

from distillkit.mnist.judging.rules.numbers import Rule
from distillkit.mnist.judging.units import Unit


@dataclass(frozen=True)
class Claim:
    """One row of the ledger, before there are runs."""

    id: str
    what: str
    source: str
    where: str
    unit: Unit
    rule: Rule
    published: float | None = None
    protocols: tuple[str, ...] | None = None
    """Protocols whose runs the rule judges; runs of another give the verdict "toy". None: every protocol."""
    tuned_on_test: bool = False
    note: str = ""
