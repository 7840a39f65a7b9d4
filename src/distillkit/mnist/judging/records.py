"""The ledger and its rows, as typed records."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Verdict = Literal["verified", "falsified", "inconclusive", "toy", "not attempted"]


class LedgerRow(TypedDict):
    """One claim: the published number, ours, and the verdict. What does not exist is None."""

    id: str
    what: str
    source: str
    where: str
    kind: str
    unit: str
    """The name of a unit; see `units.UNITS`."""
    published: float | None
    published_note: str
    cells: list[str]
    ours: float | None
    sd: float | None
    n: int
    seeds: list[int]
    values: list[float]
    interval: list[float] | None
    interval_of: str
    difference: float | None
    p: float | None
    test: str
    significant: bool | None
    verdict: Verdict
    rule: str
    note: str
    deviations: list[str]
    tuned_on_test: bool
    never_predicted: dict[str, Any]
    command: str
    result_ids: list[str]


class Ledger(TypedDict, total=False):
    """All claims, and what the runs were; the last two in ledgers of the paper's protocols alone."""

    generated_by: str
    protocol: str | None
    quick: bool
    data: dict[str, str] | None
    stand_in: bool
    seeds: list[int]
    cells: dict[str, list[int]]
    command: str
    one_seed_test: str
    versions: dict[str, list[str]]
    rows: list[LedgerRow]
    experiments: dict[str, list[int]]
    pairs: list[dict[str, Any]]
