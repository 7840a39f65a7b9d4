"""The sections of the report on the run: what it was, what deviates, what is missing, how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from distillkit.mnist.judging.evidence import Evidence, Result, cell_order
from distillkit.mnist.judging.few_names import few_of
from distillkit.mnist.judging.records import Ledger
from distillkit.mnist.reporting.tables import stamped, table

_LONGEST = 60
_FEW = 4


def banner(evidence: Evidence) -> str:
    """Write the warnings that come first; empty where there are none."""
    lines = []
    if evidence.is_stand_in:
        lines.append(
            "> **Stand-in data.** These runs are on digits drawn from fonts, not on MNIST. Nothing here is "
            "compared with a publication, and no claim is judged."
        )
    if evidence.quick:
        lines.append(
            "> **Quick run.** Few cells, one seed, few epochs: it shows that everything works; it verifies "
            "nothing."
        )
    return "\n>\n".join(lines)


def what_was_run(evidence: Evidence, ledger: Ledger) -> str:
    """Protocol, data, seeds, durations, environment, and the settings of each cell."""
    results = evidence.results
    experiments = [line for runs in evidence.experiments.values() for line in runs.values()]
    if not results and not experiments:
        return "## What was run\n\nThere are no results yet."
    data = evidence.data or {}
    # a corrected result is its run's, with other biases
    runs = [result for result in results if result["curve"] is not None or result["diverged"]]
    hours = sum(float(run["duration_s"]) for run in runs) / 3600
    ran = f"{len(runs)}, all shown; {hours:.2f} hours of training in sum"
    if corrected := sum(result["name"].partition("-bias-")[1] != "" for result in results):
        ran += f"; {corrected} results of theirs with corrected biases"
    if ensembles := len(results) - len(runs) - corrected:
        ran += f"; {ensembles} of ensembles of theirs"
    every = [*results, *experiments]
    diverged = [f"{result['name']} seed {result['seed']}" for result in every if result["diverged"]]
    facts = [
        ("protocol", str(evidence.protocol)),
        ("data", f"{data['name']} (SHA-256 {str(data['sha256'])[:16]}…)"),
        ("seeds", ", ".join(map(str, evidence.seeds))),
        ("runs", ran),
        *_of_experiments(experiments),
        ("diverged", ", ".join(diverged) or "none"),
        ("made by", ", ".join(f"{key} {'/'.join(values)}" for key, values in ledger["versions"].items())),
        ("processor", ", ".join(sorted({_processor(result) for result in every}))),
        ("command", f"`{ledger['command']}`"),
    ]
    parts = [stamped("What was run", evidence), table(["", ""], facts), _settings(results)]
    return "\n\n".join(part for part in parts if part)


def _of_experiments(lines: Sequence[Result]) -> list[tuple[str, str]]:
    if not lines:
        return []
    hours = sum(float(line["duration_s"]) for line in lines) / 3600
    names = ", ".join(dict.fromkeys(str(line["name"]) for line in lines))
    return [("experiments", f"{names}; {hours:.2f} hours in sum")]


def deviations_section(ledger: Ledger) -> str:
    """Write what deviates from the publications, with the rows that each deviation touches."""
    touched: dict[str, list[str]] = {}
    for row in ledger["rows"]:
        for sentence in row["deviations"]:
            touched.setdefault(sentence, []).append(row["id"])
    if not touched:
        return ""
    lines = [f"- {sentence} ({', '.join(_short(ids))})" for sentence, ids in touched.items()]
    return "\n".join(["## What deviates from the publications", "", *lines])


def left_out_section(evidence: Evidence, ledger: Ledger) -> str:
    """Write what was not attempted and why, and cells that lack seeds."""
    rows = [row for row in ledger["rows"] if row["verdict"] == "not attempted" and row["ours"] is None]
    no_runs = [row["id"] for row in rows if row["kind"] != "property"]
    lines = [f"- Without runs: {', '.join(_short(no_runs))}."] if no_runs else []
    lines += [f"- {row['id']}, {row['what']}: {row['note']}." for row in rows if row["kind"] == "property"]
    lacking: dict[tuple[int, ...], list[str]] = {}
    for name, runs in (*evidence.cells.items(), *evidence.experiments.items()):
        lacking.setdefault(tuple(sorted(set(evidence.seeds) - set(runs))), []).append(name)
    lines += [
        f"- {few_of(names)}: no run of seed {', '.join(map(str, missing))}."
        for missing, names in lacking.items()
        if missing
    ]
    return "\n".join(["## What was left out", "", *lines]) if lines else ""


def remake_section(ledger: Ledger) -> str:
    """How to make it again, whole or one cell, and how to check this folder without training."""
    whole = ledger["command"]
    alone = next(
        (row["command"] for row in ledger["rows"] if row["result_ids"] and row["command"] != whole), None
    )
    lines = [f"- Everything: `{whole}`."]
    if alone is not None:
        lines.append(
            f"- One cell of the grid: for example `{alone}`; each row of ledger.json has its command."
        )
    lines.append("- Check without training: `distillkit verify DIR`, with this folder as DIR.")
    return "\n".join(["## How to make it again, and how to check it", "", *lines])


def _settings(results: Sequence[Result]) -> str:
    """Write the settings of all cells, and a table of those that differ."""
    by_cell = {result["name"]: _flat(result["config"]) for result in reversed(results)}
    keys = list(dict.fromkeys(key for config in by_cell.values() for key in config))
    shared, differing = [], []
    for key in sorted(keys):
        values = {config.get(key, "") for config in by_cell.values()}
        if len(values) == 1:
            shared.append([f"`{key}`", values.pop()])
        else:
            differing.append(key)
    parts = ["### Settings that all runs share", table(["setting", "value"], shared)] if shared else []
    if differing:
        names = sorted(by_cell, key=cell_order)
        rows = [[name, *(by_cell[name].get(key, "") for key in differing)] for name in names]
        parts += ["### Settings that differ", table(["cell", *(f"`{key}`" for key in differing)], rows)]
    return "\n\n".join(parts)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{key}"] = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return flat


def _short(ids: Sequence[str]) -> list[str]:
    figure = [one for one in ids if one.startswith("R-fig2-")]
    if len(figure) < _FEW:
        return list(ids)
    return [*(one for one in ids if one not in figure), f"{len(figure)} cells of Figure 2"]


def _processor(result: Result) -> str:
    environment = result["environment"]
    return (
        f"{environment.get('cpu')}, {environment.get('threads')} threads, device {environment.get('device')}"
    )
