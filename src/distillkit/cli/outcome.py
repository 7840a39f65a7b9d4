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

    from distillkit.mnist.judging.records import Ledger, LedgerRow
    from distillkit.mnist.judging.units import Unit

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
        ledger = build_outputs(folder, test_labels=test_labels)
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


def show_ledger(ledger: Ledger) -> None:
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
            _published(row),
            _mean_and_spread(row),
            *([_difference(row)] if wide else []),
            {True: "yes", False: "no", None: "–"}[row["significant"]],
            f"[{colour}]{row['verdict']}[/]",
            *([str(len(row["deviations"]))] if wide else []),
        )
    stdout().print(table)
    more = "Dev.: deviations from the publication. " if wide else ""
    stdout().print(f"[dim]{more}report.md has each row's difference, rule and deviations.[/]")


def _claim(row: LedgerRow, *, wide: bool) -> str:
    mark = "  [red]tuned on the test set[/]" if wide else " [red]test-tuned[/]"
    words = f"{row['id']}  {row['what']}" if wide else row["id"]
    return escape(words) + (mark if row["tuned_on_test"] else "")


def show_cells(results: Sequence[Mapping[str, Any]]) -> None:
    """Print each cell's test errors over the seeds."""
    # imported here for a quick start
    from distillkit.mnist.judging.evidence import cell_order
    from distillkit.workbench.statistics.summaries import summarise
    from distillkit.workbench.statistics.writing import mean_and_spread

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
        summary = summarise(errors)
        dead = [
            f"seed {run['seed']}: {', '.join(map(str, run['never_predicted']))}"
            for run in runs
            if run["never_predicted"]
        ]
        mark = "  [red]tuned on the test set[/]" if runs[0]["tuned_on_test"] else ""
        table.add_row(
            name + mark,
            f"{mean_and_spread(summary.mean, summary.sd)} ({summary.n})",
            " ".join(f"{error:.0f}" for error in errors),
            f"[yellow]{'; '.join(dead)}[/]" if dead else "–",
        )
    stdout().print(table)


def _published(row: LedgerRow) -> str:
    return _unit(row).published(row["published"], absent="–")


def _difference(row: LedgerRow) -> str:
    return _unit(row).number(row["difference"], sign=True, absent="–")


def _mean_and_spread(row: LedgerRow) -> str:
    return "–" if row["ours"] is None else f"{_unit(row).mean_and_spread(row)} ({row['n']})"


def _unit(row: LedgerRow) -> Unit:
    # imported here for a quick start
    from distillkit.mnist.judging.units import UNITS

    return UNITS[row["unit"]]
