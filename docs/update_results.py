"""Write the tables of README.md and of the pages of results from the committed ledgers and results.

    python -m docs.update_results

A table stands between `<!-- NAME: made by docs/update_results.py … -->` and `<!-- end of NAME -->`; what is
around it is
written by hand. A test holds that running this changes nothing.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.losses_compared.page import results_in_words

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.judging.units import UNITS
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, PROTOCOLS, REPORT_PROTOCOLS
from distillkit.mnist.reporting.report import CAPTIONS
from distillkit.workbench import read_experiments, read_results
from distillkit.workbench.statistics.writing import p_value

PAPER = {
    "paper headlines": ("H1", "H2", "H3", "H3-gap", "H5-threes", "H6-held-out", "H8-held-out", "H13-share"),
    "paper three nets": ("H1", "H2", "H3", "H3-gap", "H-claim-distillation-helps"),
    "paper temperature": ("H4-narrow", "H4-wide"),
    "paper unseen digits": (
        "H5", "H5-threes", "H-claim-omit3-knowledge", "H6", "H6-threes", "H6-held-out", "H6-label-free",
        "H-claim-bias-omit3", "H7", "H8", "H8-held-out", "H8-label-free", "H-claim-bias-only78",
    ),
    "paper t squared": ("H9", "H9-weight"),
    "paper logits": ("H10",),
    "paper unlabelled": ("H11",),
    "paper ensemble": ("H12-gain",),
    "paper little data": ("H13-soft-targets", "H13-early-stopping", "H13-share"),
    "paper specialists": ("H14-specialists", "H14-longer", "H14-one-net"),
}  # fmt: skip
"""Tables of the README and of the paper's page, and the rows of the ledger that they show."""
DRAWN = {
    "paper three nets": "figure-1",
    "paper temperature": "temperature",
    "paper unseen digits": "bias-shift",
    "paper unlabelled": "unlabelled",
    "paper ensemble": "ensemble",
}
"""Figures that stand above tables, where they are drawn."""
EXPERIMENTS = {
    "paper t squared found": ("t-squared", "hard-weight"),
    "paper logits found": ("logit-matching", "logit-matching-students"),
    "paper little data found": ("little-data",),
    "paper specialists found": ("specialists",),
    "paper dark knowledge found": ("dark-knowledge",),
}
"""Answers of the paper's page, and the experiments that give them."""

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
PAGES = ("reproduction", "hinton-2015", "losses-compared")
NOTHING_YET = "*Not run yet.*"
DIRECTIONS = (
    "R-claim-distillation-helps", "R-claim-omit3-knowledge", "R-claim-higher-T-better",
    "R-claim-teacher-dropout-detrimental", "H4-wide", "H4-narrow", "H-claim-bias-omit3",
    "H-claim-bias-only78",
)  # fmt: skip


def main() -> None:
    """Rewrite the files."""
    for path, text in updated().items():
        path.write_text(text, encoding="utf-8")


def updated() -> dict[Path, str]:
    """The files as they should be."""
    every = {
        name: json.loads((RESULTS / name / "ledger.json").read_text(encoding="utf-8"))
        for name in PROTOCOLS
        if (RESULTS / name / "ledger.json").exists()
    }
    ledgers = {name: ledger for name, ledger in every.items() if name in REPORT_PROTOCOLS}
    papers = {name: ledger for name, ledger in every.items() if name in LONG_PROTOCOLS}
    tables: dict[str, Callable[[], str]] = {
        "results": lambda: number_table(ledgers, HEADLINES),
        "headlines": lambda: number_table(ledgers, HEADLINES),
        "corrections": lambda: number_table(ledgers, CORRECTIONS),
        "directions": lambda: direction_table(ledgers),
        "figure 2": lambda: figure_2_table(ledgers),
        "what was run": lambda: run_table(ledgers),
        "dead classes": dead_classes_table,
        "losses compared": losses_compared,
        "paper what was run": lambda: run_table(papers),
        **{name: partial(paper_table, papers, name) for name in PAPER},
        **{name: partial(answers, papers, names) for name, names in EXPERIMENTS.items()},
    }
    files = {}
    for path in (ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in PAGES)):
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
        lines.append(line(what, published(first), *(ours(row) for row in rows.values())))
    return "\n".join(lines)


def paper_table(ledgers: Mapping[str, Any], name: str) -> str:
    """Rows of the paper's ledgers: published, ours with its test, and the verdict; above them the figure."""
    of_ledgers = [{row["id"]: row for row in ledger["rows"]} for ledger in ledgers.values()]
    found = {row_id: [rows[row_id] for rows in of_ledgers] for row_id in PAPER[name]}
    if not any(row["n"] for rows in found.values() for row in rows):
        return NOTHING_YET
    lines = []
    if name in DRAWN:
        figure = DRAWN[name]
        files = (f"results/{protocol}/figures/{figure}.png" for protocol in ledgers)
        lines += [f"![{CAPTIONS[figure]}]({file})\n" for file in files if (ROOT / "docs" / file).exists()]
    lines.append(header("What", "Published", *(f"`{protocol}`" for protocol in ledgers)))
    for row_id, rows in found.items():
        first = rows[0]
        mark = " **(tuned on the test set)**" if first["tuned_on_test"] else ""
        what = f"{row_id}: {first['what']}, {first['unit']}{mark}"
        lines.append(line(what, published(first), *map(ours_with_p, rows)))
    return "\n".join(lines)


def answers(ledgers: Mapping[str, Any], names: Sequence[str]) -> str:
    """What experiments of several networks found, with their figures."""
    parts = []
    for protocol, name in itertools.product(ledgers, names):
        lines = sorted(
            (one for one in read_experiments(RESULTS / protocol) if one["name"] == name),
            key=lambda one: one["seed"],
        )
        if lines:
            figure = f"results/{protocol}/figures/{name}.png"
            parts += [f"![{CATALOGUE[name].title}]({figure})", CATALOGUE[name].answer(lines)]
    return "\n\n".join(parts) or NOTHING_YET


def direction_table(ledgers: Mapping[str, Any]) -> str:
    """Claims that are no numbers: what became of each."""
    by_protocol = {name: {row["id"]: row for row in ledger["rows"]} for name, ledger in ledgers.items()}
    lines = [header("Claim", *(f"`{name}`" for name in ledgers))]
    for row_id in DIRECTIONS:
        rows = [rows[row_id] for rows in by_protocol.values()]
        cells = []
        for row in rows:
            detail = "" if row["ours"] is None else f": {number(row, row['ours'], sign=True)}"
            p = p_of(row)
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
        lines.append(line(cell, published(row), *shown))
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


def losses_compared() -> str:
    """Every built-in loss against hard labels alone."""
    lines = read_results(RESULTS / "losses")
    figure = "![Each loss's errors less those of hard labels](results/losses/figures/losses.png)"
    return f"{results_in_words(lines)}\n\n{figure}" if lines else NOTHING_YET


def run_table(ledgers: Mapping[str, Any]) -> str:
    """Seeds, runs, hours, machine and versions of each protocol."""
    if not ledgers:
        return NOTHING_YET
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
        ("device", "device"), ("cpu", "processor"), ("threads", "threads a run"), ("precision", "precision"),
        ("torch", "torch"), ("python", "Python"),
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
    dead = row["never_predicted"]["runs"]
    mark = f", {dead} of {row['n']} with a dead class" if dead else ""
    return f"{UNITS[row['unit']].mean_and_spread(row)} (n = {row['n']}{mark}), {row['verdict']}"


def ours_with_p(row: Mapping[str, Any]) -> str:
    """The same, and the p-value of its test where it has one."""
    return ours(row) + p_of(row)


def number(row: Mapping[str, Any], value: float | None, *, sign: bool = False) -> str:
    """A number of a row of the ledger, in its unit."""
    return UNITS[row["unit"]].number(value, sign=sign, absent="–")


def published(row: Mapping[str, Any]) -> str:
    """The published number of a row of the ledger."""
    return UNITS[row["unit"]].published(row["published"], absent="–")


def p_of(row: Mapping[str, Any]) -> str:
    """The p-value of a row's test, if it has one."""
    if row["p"] is None:
        return ""
    text = p_value(row["p"])
    return f", p {text}" if text.startswith("<") else f", p = {text}"


def header(*cells: str) -> str:
    """The head of a table."""
    return f"{line(*cells)}\n{line(*('---' for _ in cells))}"


def line(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
