"""The end of a job: ledger, figures and report on disk, the table on the screen, the way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from distillkit.cli.console import print_json, stderr, stdout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDE = 120
"""Columns of a terminal from which on a claim is shown in words; report.md has them all."""

_COLOURS = {"verified": "green", "falsified": "red", "inconclusive": "yellow"}


def finish(
    folder: Path, results: Sequence[dict[str, Any]], test_labels: NDArray[np.int64], *, as_json: bool
) -> None:
    """Write what is computed from the results, and show it."""
    # imported here for a quick start
    from distillkit.mnist.reporting.report import build_outputs

    with stderr().status("Ledger, figures and report …"):
        ledger = build_outputs(folder, results, test_labels=test_labels)
    if as_json:
        print_json(ledger)
    else:
        if results:
            show_cells(results)
        show_ledger(ledger)
    stderr().print(
        f"Report, figures, ledger and raw results: [bold]{escape(str(folder))}[/] (begin with report.md)\n"
        f"Check every number without training: [bold]distillkit verify {escape(str(folder))}[/]",
        soft_wrap=True,
    )


def show_ledger(ledger: Mapping[str, Any]) -> None:
    """Print the rows that have something of ours, published number beside it."""
    rows = [row for row in ledger["rows"] if row["n"] or row["verdict"] != "not attempted"]
    if not rows:
        return
    title = f"Ledger · {ledger['protocol']} · seeds {', '.join(map(str, ledger['seeds']))}"
    marks = ["STAND-IN DATA, not MNIST"] * bool(ledger["stand_in"]) + ["QUICK"] * bool(ledger["quick"])
    wide = stdout().width >= _WIDE
    table = Table(
        title=" · ".join([title, *marks]),
        title_justify="left",
        header_style="bold",
        box=box.HEAVY_HEAD if wide else box.SIMPLE_HEAD,
        padding=(0, 1) if wide else (0, 1, 0, 0),
    )
    table.add_column("Claim", no_wrap=not wide)
    table.add_column("Published", justify="right", no_wrap=True)
    table.add_column("Ours", justify="right", no_wrap=True)
    if wide:
        table.add_column("Difference", justify="right")
    table.add_column("Significant" if wide else "Sig.", justify="center", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    if wide:
        table.add_column("Dev.", justify="right")
    for row in rows:
        colour = _COLOURS.get(row["verdict"], "dim")
        table.add_row(
            _claim(row, wide=wide),
            _number(row["published"], row["unit"]),
            _mean_and_spread(row),
            *([_number(row["difference"], row["unit"], sign=True)] if wide else []),
            {True: "yes", False: "no", None: "–"}[row["significant"]],
            f"[{colour}]{row['verdict']}[/]",
            *([str(len(row["deviations"]))] if wide else []),
        )
    stdout().print(table)
    more = "Dev.: deviations from the publication. " if wide else ""
    stdout().print(f"[dim]{more}report.md has each row's difference, rule and deviations.[/]")


def _claim(row: Mapping[str, Any], *, wide: bool) -> str:
    mark = "  [red]tuned on the test set[/]" if wide else " [red]test-tuned[/]"
    words = f"{row['id']}  {row['what']}" if wide else row["id"]
    return escape(words) + (mark if row["tuned_on_test"] else "")


def show_cells(results: Sequence[Mapping[str, Any]]) -> None:
    """Print each cell's test errors over the seeds."""
    # imported here for a quick start
    from distillkit.mnist.judging.evidence import cell_order

    by_cell: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_cell.setdefault(str(result["name"]), []).append(result)
    table = Table(title="Test errors", title_justify="left", header_style="bold")
    table.add_column("Cell")
    table.add_column("Mean ± sd (n)", justify="right")
    table.add_column("By seed")
    table.add_column("Classes never predicted")
    for name in sorted((cell for cell in by_cell if not cell.endswith("-tuning")), key=cell_order):
        runs = sorted(by_cell[name], key=lambda run: int(run["seed"]))
        errors = [float(run["test_errors"]) for run in runs]
        dead = [
            f"seed {run['seed']}: {', '.join(map(str, run['never_predicted']))}"
            for run in runs
            if run["never_predicted"]
        ]
        mark = "  [red]tuned on the test set[/]" if runs[0]["tuned_on_test"] else ""
        table.add_row(
            name + mark,
            _mean_and_spread(
                {"ours": sum(errors) / len(errors), "sd": _sd(errors), "n": len(errors), "unit": "errors"}
            ),
            " ".join(f"{error:.0f}" for error in errors),
            f"[yellow]{'; '.join(dead)}[/]" if dead else "–",
        )
    stdout().print(table)


def _sd(values: Sequence[float]) -> float | None:
    # imported here for a quick start
    from statistics import stdev

    return stdev(values) if len(values) > 1 else None


def _mean_and_spread(row: Mapping[str, Any]) -> str:
    if row["ours"] is None:
        return "–"
    spread = "" if row["sd"] is None else f" ± {_number(row['sd'], row['unit'])}"
    return f"{_number(row['ours'], row['unit'])}{spread} ({row['n']})"


def _number(value: float | None, unit: str, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    digits = 0 if value == round(value) and "%" not in unit else 1
    if unit.startswith(("share", "slope")) or "gradient" in unit:
        digits = 2
    return f"{value:{'+' if sign else ''}.{digits}f}"
