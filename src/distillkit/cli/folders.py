"""`distillkit report` and `distillkit verify`: from raw results, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from distillkit.cli import options
from distillkit.cli.console import print_json, stderr, stdout
from distillkit.cli.mnist_data import find_data
from distillkit.cli.outcome import finish
from distillkit.errors import DataUnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def report(
    folder: options.Folder,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Rebuild ledger, figures and report of a folder from its raw results; nothing is trained.

    [dim]distillkit report runs/hinton-mnist-report-2025[/]
    """
    # imported here for a quick start
    from distillkit.workbench import read_results

    finish(folder, read_results(folder), _labels_for(folder, data_dir), as_json=as_json)


def verify(
    folder: options.Folder,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Recompute every number of a folder from the predictions that were kept; nothing is trained.

    Ends with exit code 1 where a number, an identity or a digest does not hold.

    [dim]distillkit verify runs/hinton-mnist-report-2025[/]
    """
    # imported here for a quick start
    from distillkit.mnist.verifying.verify import verify_folder

    outcome = verify_folder(folder, _labels_for(folder, data_dir))
    if as_json:
        findings = {
            "ok": outcome.ok,
            "checked": outcome.checked,
            "problems": outcome.problems,
            "notes": outcome.notes,
        }
        print_json(findings)
    else:
        for problem in outcome.problems:
            stdout().print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
        for note in outcome.notes:
            stdout().print(f"[dim]·[/] {escape(note)}", soft_wrap=True)
        if outcome.ok:
            stdout().print(
                f"[green]✓[/] {outcome.checked} results and {len(outcome.rows)} rows of the ledger hold.",
                soft_wrap=True,
            )
    if not outcome.ok:
        stderr().print(f"[bold red]{len(outcome.problems)} of the checks failed.[/]")
        raise typer.Exit(1)


def _labels_for(folder: Path, data_dir: Path | None) -> NDArray[np.int64]:
    """The true classes of the test cases that a folder's runs were tested on.

    Raises:
        DataUnavailableError: MNIST cannot be had, or these are not the digits that the folder was made from.
    """
    # imported here for a quick start
    from distillkit.workbench import read_settings

    made_from = read_settings(folder)["data"]
    stand_in = made_from["name"] == "stand-in"
    data = find_data(
        options.DataName.STAND_IN if stand_in else options.DataName.MNIST, data_dir, stderr(), quiet=True
    )
    if data.sha256 != made_from["sha256"]:
        raise DataUnavailableError(
            f"{folder} was made from {made_from['name']} with the digest {made_from['sha256'][:12]}…, "
            "and these digits "
            f"({data.where}) have {data.sha256[:12]}…: name the folder of the same data with --data-dir."
        )
    labels: NDArray[np.int64] = data.test_labels.numpy()
    return labels
