"""Write the tables of README.md and docs/reproduction.md from the committed ledgers and results.

    python docs/update_results.py

A table stands between `<!-- NAME: made by docs/update_results.py … -->` and `<!-- end of NAME -->`; what is
around it is
written by hand. A test holds that running this changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distillkit.experiments import read_results
from distillkit.mnist.protocols import PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
HEADLINES = (
    "R-teacher", "R-teacher-no-dropout", "R-baseline", "R-distilled", "R-omit3", "R-omit3-threes",
    "R-omit3-noKD-threes",
)  # fmt: skip
CORRECTIONS = (
    "H5", "H5-threes", "H6", "H6-threes", "H6-held-out", "H6-label-free", "H7", "H8", "H8-held-out",
    "H8-label-free",
)  # fmt: skip
DIRECTIONS = (
    "R-claim-distillation-helps", "R-claim-omit3-knowledge", "R-claim-higher-T-better",
    "R-claim-teacher-dropout-detrimental", "H4-wide", "H4-narrow", "H-claim-bias-omit3",
    "H-claim-bias-only78",
)  # fmt: skip


def main() -> None:
    """Rewrite both files."""
    for path, text in updated().items():
        path.write_text(text, encoding="utf-8")


def updated() -> dict[Path, str]:
    """Both files as they should be."""
    ledgers = {
        name: json.loads((RESULTS / name / "ledger.json").read_text(encoding="utf-8"))
        for name in PROTOCOLS
        if (RESULTS / name / "ledger.json").exists()
    }
    tables: dict[str, Callable[[], str]] = {
        "results": lambda: number_table(ledgers, HEADLINES),
        "headlines": lambda: number_table(ledgers, HEADLINES),
        "corrections": lambda: number_table(ledgers, CORRECTIONS),
        "directions": lambda: direction_table(ledgers),
        "figure 2": lambda: figure_2_table(ledgers),
        "what was run": lambda: run_table(ledgers),
        "dead classes": dead_classes_table,
    }
    files = {}
    for path in (ROOT / "README.md", ROOT / "docs" / "reproduction.md"):
        text = path.read_text(encoding="utf-8")
        for name, table in tables.items():
            pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
            text = pattern.sub(lambda found, table=table: f"{found[1]}\n{table()}\n\n{found[2]}", text)
        files[path] = text
    return files


def number_table(ledgers: Mapping[str, Any], ids: Sequence[str]) -> str:
    """Published numbers, and ours under each protocol: mean ± sd (seeds) and the verdict."""
    by_protocol = {name: {row["id"]: row for row in ledger["rows"]} for name, ledger in ledgers.items()}
    lines = [header("What", "Published", *(f"`{name}`" for name in ledgers))]
    for row_id in ids:
        rows = {name: rows[row_id] for name, rows in by_protocol.items()}
        first = next(iter(rows.values()))
        mark = " **(tuned on the test set)**" if first["tuned_on_test"] else ""
        what = f"{row_id}: {first['what']}, {first['unit']}{mark}"
        lines.append(
            line(what, number(first["published"], first["unit"]), *(ours(row) for row in rows.values()))
        )
    return "\n".join(lines)


def direction_table(ledgers: Mapping[str, Any]) -> str:
    """Claims that are no numbers: what became of each."""
    by_protocol = {name: {row["id"]: row for row in ledger["rows"]} for name, ledger in ledgers.items()}
    lines = [header("Claim", *(f"`{name}`" for name in ledgers))]
    for row_id in DIRECTIONS:
        rows = [rows[row_id] for rows in by_protocol.values()]
        cells = []
        for row in rows:
            detail = "" if row["ours"] is None else f": {number(row['ours'], row['unit'], sign=True)}"
            p = "" if row["p"] is None else f", {p_value(row['p'])}"
            cells.append(f"{row['verdict']}{detail}{p} (n = {row['n']})" if row["n"] else row["verdict"])
        lines.append(line(f"{row_id}: {rows[0]['what']}", *cells))
    return "\n".join(lines)


def figure_2_table(ledgers: Mapping[str, Any]) -> str:
    """Each cell of the report's Figure 2: the published end, our runs, and the classes they never predict."""
    results = {name: read_results(RESULTS / name) for name in ledgers}
    first = next(iter(ledgers.values()))
    rows = [row for row in first["rows"] if row["id"].startswith("R-fig2-")]
    lines = [header("Cell", "Published", *(f"`{name}`, seed by seed" for name in ledgers))]
    for row in rows:
        cell = row["id"].removeprefix("R-fig2-")
        shown = []
        for name in ledgers:
            runs = sorted((run for run in results[name] if run["name"] == cell), key=lambda run: run["seed"])
            shown.append(" · ".join(one_run(run) for run in runs) or "not run yet")
        lines.append(line(cell, number(row["published"], row["unit"]), *shown))
    return "\n".join(lines)


def dead_classes_table() -> str:
    """Students on hard labels alone, seed by seed: how many lose a class."""
    found = json.loads((RESULTS / "dead-classes.json").read_text(encoding="utf-8"))
    lines = [header("Student", "Protocol", "Runs with a dead class", "By seed")]
    keys = dict.fromkeys((run["name"], run["protocol"]) for run in found["runs"])
    for name, protocol in sorted(keys):
        runs = [run for run in found["runs"] if (run["name"], run["protocol"]) == (name, protocol)]
        dead = sum(bool(run["never_predicted"]) for run in runs)
        by_seed = " · ".join(one_run(run) for run in runs)
        lines.append(line(name, f"`{protocol}`", f"{dead} of {len(runs)}", by_seed))
    return "\n".join(lines)


def run_table(ledgers: Mapping[str, Any]) -> str:
    """Seeds, runs, hours, machine and versions of each protocol."""
    lines = [header("", *(f"`{name}`" for name in ledgers))]
    results = {name: read_results(RESULTS / name) for name in ledgers}
    environments = {name: runs[0]["environment"] for name, runs in results.items()}

    def trained(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [run for run in runs if run["curve"] is not None or run["diverged"]]

    lines.append(line("seeds", *(", ".join(map(str, ledger["seeds"])) for ledger in ledgers.values())))
    lines.append(line("runs", *(str(len(trained(runs))) for runs in results.values())))
    hours = (sum(run["duration_s"] for run in trained(runs)) / 3600 for runs in results.values())
    lines.append(line("hours of training, summed", *(f"{each:.1f}" for each in hours)))
    for key, label in (
        ("cpu", "processor"), ("threads", "threads a run"), ("precision", "precision"), ("torch", "torch"),
        ("python", "Python"),
    ):  # fmt: skip
        lines.append(line(label, *(str(environment[key]) for environment in environments.values())))
    lines.append(line("command", *(f"`{ledger['command']}`" for ledger in ledgers.values())))
    return "\n".join(lines)


def one_run(run: Mapping[str, Any]) -> str:
    """Errors of a run, and the classes that it never predicts."""
    dead = ", ".join(map(str, run["never_predicted"]))
    return f"**{run['test_errors']}** (never {dead})" if dead else str(run["test_errors"])


def ours(row: Mapping[str, Any]) -> str:
    """Mean ± sd (n) and the verdict."""
    if not row["n"]:
        return "not run yet"
    spread = "" if row["sd"] is None else f" ± {number(row['sd'], row['unit'])}"
    dead = row["never_predicted"]["runs"]
    mark = f", {dead} of {row['n']} with a dead class" if dead else ""
    return f"{number(row['ours'], row['unit'])}{spread} (n = {row['n']}{mark}), {row['verdict']}"


def number(value: float | None, unit: str, *, sign: bool = False) -> str:
    """A number as it is read: one digit after the point of percentages and small numbers."""
    if value is None:
        return "–"
    digits = 2 if "correlation" in unit else 1 if "%" in unit or value % 1 else 0
    return f"{value:{'+' if sign else ''}.{digits}f}"


def p_value(p: float) -> str:
    """As it is read."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def header(*cells: str) -> str:
    """The head of a table."""
    return f"{line(*cells)}\n{line(*('---' for _ in cells))}"


def line(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
