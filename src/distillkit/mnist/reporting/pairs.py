"""The section of the report on pairs of nets, compared test case by test case."""

from __future__ import annotations

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Ledger
from distillkit.mnist.judging.rules.numbers import NUMBER_LEVEL
from distillkit.mnist.reporting.tables import p_or_nothing, stamped, table


def pairs_section(ledger: Ledger, evidence: Evidence) -> str:
    """The pairs of the ledger as a table; empty where it has none.

    Args:
        ledger: what `build_ledger` made.
        evidence: the runs.
    """
    rows = [
        [
            f"{pair['first']} against {pair['second']}",
            _listed(pair["only_first_wrong"]),
            _listed(pair["only_second_wrong"]),
            ", ".join(p_or_nothing(p) for p in pair["p"]),
            f"{sum(p < NUMBER_LEVEL for p in pair['p'])} of {len(pair['p'])}",
        ]
        for pair in ledger.get("pairs", [])
    ]
    if not rows:
        return ""
    heads = ["nets", "only the first wrong", "only the second wrong", "p", "seeds that differ (5 %)"]
    words = (
        "Two nets of one seed on the same 10,000 test cases, seeds ascending: exact McNemar tests, "
        "two-sided, with Holm's correction for the seeds of a pair."
    )
    return "\n\n".join([stamped("Pairs of nets, case by case", evidence), words, table(heads, rows)])


def _listed(counts: list[int]) -> str:
    return ", ".join(map(str, counts))
