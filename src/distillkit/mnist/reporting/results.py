"""The sections of the report on the results: numbers, claims, dead classes, corrections, others' numbers."""

from __future__ import annotations

from collections.abc import Sequence

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.published import OTHER_NUMBERS
from distillkit.mnist.judging.records import Ledger, LedgerRow
from distillkit.mnist.judging.units import OMITTED, THREES, UNITS
from distillkit.mnist.reporting.tables import TUNED, interval, ours, p_or_nothing, stamped, table
from distillkit.workbench.statistics.summaries import summarise
from distillkit.workbench.statistics.writing import mean_and_spread

_JUDGED = ("band", "no_worse")


def numbers_section(ledger: Ledger, evidence: Evidence) -> str:
    """The rows of the ledger that hold a number against a published one."""
    rows = [
        [
            row["id"],
            row["what"] + (f" ({TUNED})" if row["tuned_on_test"] else ""),
            _published(row),
            row["unit"],
            ours(row),
            UNITS[row["unit"]].number(row["difference"], sign=True),
            {True: "yes", False: "no", None: ""}[row["significant"]],
            p_or_nothing(row["p"]),
            _dead(row),
            f"**{row['verdict']}**",
        ]
        for row in ledger["rows"]
        if row["kind"] in _JUDGED and row["ours"] is not None
    ]
    if not rows:
        return ""
    heads = ["id", "what", "published", "unit", "ours: mean ± sd (n)", "difference"]
    heads += ["significant (5 %)", "p", "runs that never predict a class", "verdict"]
    rules = sorted({row["kind"]: row["rule"] for row in ledger["rows"] if row["kind"] in _JUDGED}.items())
    words = "\n".join(f"- {kind.replace('_', ' ')}: {rule}." for kind, rule in rules)
    return "\n\n".join(
        [
            stamped("Published numbers and ours", evidence),
            table(heads, rows, numbers=[2, 4, 5, 7]),
            "Rules, written down before the runs (rows of the paper: no worse; rows of the report: band):",
            words,
        ]
    )


def claims_section(ledger: Ledger, evidence: Evidence) -> str:
    """The claims of direction and range, with their tests."""
    rows = [
        [
            row["id"],
            row["what"],
            UNITS[row["unit"]].published(row["published"], sign=True),
            ours(row),
            interval(row["interval"], UNITS[row["unit"]]),
            p_or_nothing(row["p"]),
            row["test"],
            row["note"],
            f"**{row['verdict']}**",
        ]
        for row in ledger["rows"]
        if row["kind"] not in (*_JUDGED, "property") and row["ours"] is not None
    ]
    if not rows:
        return ""
    heads = [
        "id",
        "claim",
        "published",
        "ours: mean ± sd (n)",
        "95 % interval",
        "p",
        "test",
        "note",
        "verdict",
    ]
    rules = [f"- {row[0]}: {_row(ledger, row[0])['rule']}." for row in rows]
    return "\n\n".join(
        [
            stamped("Claims of direction", evidence),
            "Differences are first minus second, so a negative number says that the first makes fewer "
            "errors.",
            table(heads, rows, numbers=[2, 3, 5]),
            "\n".join(["Rules:", "", *rules]),
        ]
    )


def dead_classes_section(evidence: Evidence) -> str:
    """Every run that never predicts some class, cell by seed."""
    cells = {
        name: runs
        for name, runs in evidence.cells.items()
        if any(run["never_predicted"] for run in runs.values())
    }
    total = sum(len(runs) for runs in evidence.cells.values())
    dead = sum(bool(run["never_predicted"]) for runs in cells.values() for run in runs.values())
    title = stamped("Classes that are never predicted", evidence)
    if not total:
        return ""
    if not cells:
        return f"{title}\n\nEach of the {total} runs predicts every class at least once on the test set."
    rows = []
    for name, runs in cells.items():
        by_seed = [
            "" if seed not in runs else ", ".join(map(str, runs[seed]["never_predicted"])) or "–"
            for seed in evidence.seeds
        ]
        rows.append([f"{name}{_unseen(name)}", *by_seed])
    return "\n\n".join(
        [
            title,
            f"{dead} of {total} runs never predict some class; cells that are not in the table have no such "
            "run. A run that never predicts a class has all of that class's roughly 1,000 test cases wrong.",
            table(["cell", *(f"seed {seed}" for seed in evidence.seeds)], rows),
        ]
    )


def corrections_section(evidence: Evidence) -> str:
    """The bias corrections: tuned on the test set (marked), on held-out cases, and without labels."""
    rows = []
    for name, runs in evidence.cells.items():
        corrections = [run["correction"] for run in runs.values() if run["correction"]]
        if not corrections:
            continue
        kind = corrections[0]["kind"]
        before = evidence.runs(name.partition("-bias-")[0])
        rows.append(
            [
                name.partition("-bias-")[0],
                f"{kind} ({TUNED})" if kind == "test-tuned" else kind,
                ", ".join(map(str, corrections[0]["classes"])),
                _spread([correction["shift"] for correction in corrections], 2),
                _spread([run["test_errors"] for run in before.values()]),
                _spread([run["test_errors"] for run in runs.values()]),
                _spread([THREES.of(run) for run in runs.values() if OMITTED in run["correction"]["classes"]]),
            ]
        )
    if not rows:
        return ""
    heads = ["cell", "shift chosen", "classes", "shift", "test errors before", "after", "on the threes after"]
    return f"{stamped('Bias corrections', evidence)}\n\n{table(heads, rows, numbers=[3, 4, 5, 6])}"


def others_section(evidence: Evidence) -> str:
    """Write the numbers of others for the same cells; not for stand-in data."""
    rows = []
    for other in OTHER_NUMBERS:
        values = list(evidence.values(other.what, other.unit).values())
        if values and not evidence.is_stand_in:
            rows.append(
                [
                    other.what,
                    other.unit.name,
                    other.unit.published(other.value),
                    _spread(values, other.unit.digits),
                    other.source,
                    other.note,
                ]
            )
    if not rows:
        return ""
    heads = ["cell", "unit", "theirs", "ours: mean ± sd (n)", "source", "why it differs"]
    return "\n\n".join(
        [
            stamped("Other reproductions", evidence),
            "For orientation; no claim is judged by these.",
            table(heads, rows, numbers=[2, 3]),
        ]
    )


def _row(ledger: Ledger, row_id: str) -> LedgerRow:
    return next(row for row in ledger["rows"] if row["id"] == row_id)


def _published(row: LedgerRow) -> str:
    note = f" ({row['published_note']})" if row["published_note"] else ""
    return UNITS[row["unit"]].published(row["published"]) + note


def _dead(row: LedgerRow) -> str:
    counted = row["never_predicted"]
    return f"{counted['runs']} of {counted['of']}" if counted["runs"] else "–"


def _unseen(cell: str) -> str:
    if cell.endswith("-noKD-omit3"):
        return " (its transfer set has no 3)"
    return " (its transfer set has 7 and 8 only)" if "only78" in cell else ""


def _spread(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return ""
    summary = summarise(values)
    return f"{mean_and_spread(summary.mean, summary.sd, digits)} ({summary.n})"
