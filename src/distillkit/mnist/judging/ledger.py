"""The ledger: a row for each claim, with the published number, ours, the difference and the verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import Any

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.judging.claims import Claim, claims
from distillkit.mnist.judging.commands import cell_command, epochs_of_protocol, whole_command
from distillkit.mnist.judging.deviations import deviations
from distillkit.mnist.judging.evidence import Evidence, Result
from distillkit.mnist.judging.pairs import compare_pairs
from distillkit.mnist.judging.published import PublishedNumber, published_numbers
from distillkit.mnist.judging.records import Ledger, LedgerRow, Verdict
from distillkit.mnist.judging.rules.numbers import Finding
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, PROTOCOLS, REPORT_PROTOCOLS
from distillkit.workbench.statistics.summaries import summarise


def build_ledger(
    evidence: Evidence,
    published: Mapping[str, PublishedNumber] | None = None,
    *,
    command: str | None = None,
) -> Ledger:
    """Hold the runs of one folder against every claim.

    Args:
        evidence: The runs; may be empty. Where it has predictions and labels, single runs are compared by
            McNemar's exact test.
        published: The numbers to compare with, by id; default: `published_numbers()`.
        command: The command that made the folder; default: the one that its protocol and seeds imply.

    Returns:
        A mapping that is JSON as it stands: a header and "rows", in the fixed order of the claims; numbers
        that do not exist are None, never NaN.

    Example:
        >>> ledger = build_ledger(Evidence.of([]))
        >>> {row["verdict"] for row in ledger["rows"]}
        {'not attempted'}
    """
    numbers = published_numbers() if published is None else published
    made_by = command or whole_command(evidence)
    versions = {
        json_key: sorted(
            {str(result["environment"].get(json_key)) for result in (*evidence.results, *evidence.lines)}
        )
        for json_key in ("distillkit", "torch", "python", "device", "precision")
    }
    ledger: Ledger = {
        "generated_by": _generated_by(),
        "protocol": evidence.protocol,
        "quick": evidence.quick,
        "data": dict(evidence.data) if evidence.data else None,
        "stand_in": evidence.is_stand_in,
        "seeds": evidence.seeds,
        "cells": {cell: sorted(runs) for cell, runs in evidence.cells.items()},
        "command": made_by,
        "one_seed_test": "exact McNemar test" if evidence.labels is not None else "two-proportion z test",
        "versions": versions,
        "rows": [_row(claim, numbers, evidence, made_by) for claim in claims(evidence.protocol)],
    }
    if evidence.protocol in LONG_PROTOCOLS:
        ledger["experiments"] = {name: sorted(runs) for name, runs in evidence.experiments.items()}
        ledger["pairs"] = compare_pairs(evidence)
    return ledger


def _row(claim: Claim, numbers: Mapping[str, PublishedNumber], evidence: Evidence, made_by: str) -> LedgerRow:
    published = numbers[claim.id].value if claim.id in numbers else claim.published
    finding = claim.rule.find(evidence, published)
    if evidence.is_stand_in:
        published = None
    judged = published is not None or claim.rule.kind not in ("band", "no_worse")
    values = [value for _, value in finding.values]
    summary = summarise(values) if values else None
    runs = [run for cell in finding.cells for run in evidence.runs(cell).values()]
    other_epochs = _other_epochs(runs, evidence)
    return {
        "id": claim.id,
        "what": claim.what,
        "source": claim.source,
        "where": claim.where,
        "kind": claim.rule.kind,
        "unit": claim.unit.name,
        "published": published,
        "published_note": claim.note if published is not None else "",
        "cells": list(finding.cells),
        "ours": summary.mean if summary else None,
        "sd": summary.sd if summary else None,
        "n": summary.n if summary else 0,
        "seeds": [seed for seed, _ in finding.values],
        "values": values,
        "interval": list(finding.interval) if finding.interval and judged else None,
        "interval_of": finding.interval_of if judged else "",
        "difference": finding.difference if judged else None,
        "p": finding.p if judged else None,
        "test": finding.test if judged else "",
        "significant": finding.significant if judged else None,
        "verdict": _verdict(claim, finding, evidence, shortened=bool(other_epochs)),
        "rule": claim.rule.text,
        "note": finding.note,
        "deviations": [] if evidence.is_stand_in else _deviations(claim, runs, evidence, other_epochs),
        "tuned_on_test": claim.tuned_on_test or any(run["tuned_on_test"] for run in runs),
        "never_predicted": _never_predicted(runs),
        "command": _command(claim, finding, evidence, made_by),
        "result_ids": [run["id"] for run in runs],
    }


def _verdict(claim: Claim, finding: Finding, evidence: Evidence, *, shortened: bool) -> Verdict:
    if finding.verdict == "not attempted" or evidence.is_stand_in:
        return "not attempted"
    if (
        evidence.quick
        or shortened
        or (claim.protocols is not None and evidence.protocol not in claim.protocols)
    ):
        return "toy"
    return finding.verdict


def _deviations(
    claim: Claim, runs: Sequence[Result], evidence: Evidence, other_epochs: Mapping[int, int]
) -> list[str]:
    if not runs:
        return []
    cells = tuple(dict.fromkeys(str(run["name"]) for run in runs))
    ours = other_epochs or set(epochs_of_protocol(evidence.protocol or "").values())
    epochs = _listed(ours)
    sentences = deviations(evidence.protocol or "", claim, cells, quick=evidence.quick, epochs=epochs)
    if other_epochs:
        whose = "report" if evidence.protocol in REPORT_PROTOCOLS else "protocol"
        sentences.append(f"Epochs: {epochs}, not the {_listed(set(other_epochs.values()))} of the {whose}.")
    reduced = {str(run["environment"].get("precision", "fp32")) for run in runs} - {"fp32"}
    return sentences + ([f"The forward pass runs in {_listed(reduced)}."] if reduced else [])


def _listed(values: Collection[object]) -> str:
    return " and ".join(sorted(map(str, values)))


def _never_predicted(runs: Sequence[Result]) -> dict[str, Any]:
    counted = [run for run in runs if "never_predicted" in run]
    dead = [run for run in counted if run["never_predicted"]]
    return {
        "runs": len(dead),
        "of": len(counted),
        "which": [
            {"cell": run["name"], "seed": run["seed"], "classes": list(run["never_predicted"])}
            for run in dead
        ],
    }


def _command(claim: Claim, finding: Finding, evidence: Evidence, made_by: str) -> str:
    alone = claim.rule.kind == "band" and len(finding.cells) == 1 and bool(evidence.runs(finding.cells[0]))
    return (cell_command(evidence, finding.cells[0]) if alone else None) or made_by


def _other_epochs(runs: Sequence[Result], evidence: Evidence) -> dict[int, int]:
    """Epochs that runs had, where they are not those of the protocol, and those of the protocol."""
    found = {}
    for run in runs:
        expected = _expected_epochs(str(run["name"]), evidence)
        had = run["config"].get("training", {}).get("epochs", expected)
        if had is not None and expected is not None and had != expected:
            found[had] = expected
    return found


def _expected_epochs(name: str, evidence: Evidence) -> int | None:
    experiment = name.partition("/")[0]
    if experiment in evidence.experiments:
        protocol = PROTOCOLS.get(evidence.protocol or "")
        return None if protocol is None else CATALOGUE[experiment].epochs(protocol)
    protocols = epochs_of_protocol(evidence.protocol or "")
    return protocols.get("teacher" if name.startswith("teacher") else "student")


def _generated_by() -> str:
    try:
        return f"distillkit {metadata.version('distillkit')}"
    except metadata.PackageNotFoundError:
        return "distillkit"
