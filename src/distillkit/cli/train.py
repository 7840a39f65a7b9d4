"""`distillkit train`: distil what a run file describes."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from distillkit.cli import options
from distillkit.cli.commands import INTERRUPTED, TERMINATED
from distillkit.cli.console import print_json, stderr, stdout, warnings_in_a_line
from distillkit.cli.signals import Terminated

if TYPE_CHECKING:
    from distillkit.workbench.runs.train import RunResult


def train(
    run_file: Annotated[
        Path,
        typer.Argument(metavar="RUN.YAML", help="What to distil into what, and how.", show_default=False),
    ],
    code: Annotated[
        Path | None,
        typer.Option(
            help="The Python file whose functions the run file names. It is run: name one that you trust.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; else runs/NAME of the run file.", show_default=False),
    ] = None,
    device: options.Device = "auto",
    precision: Annotated[
        options.PrecisionChoice | None,
        typer.Option(help="Of the forward pass, whatever the run file says.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another run's results once the new ones are there.")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Distil the models on the data that a run file names.

    Code runs because you name its file with --code, never because a run file says so.

    [dim]distillkit train run.yaml[/]

    [dim]distillkit train run.yaml --code models.py --out results[/]
    """
    folder = out or Path("runs") / run_file.stem
    try:
        # what models and data print of themselves is no result
        with redirect_stdout(sys.stderr), warnings_in_a_line():
            result = _train(run_file, code, folder, device, precision, overwrite=overwrite, quiet=quiet)
    except (KeyboardInterrupt, Terminated) as error:
        kept = (
            "what was there before is as it was"
            if (folder / "MANIFEST.json").exists()
            else "nothing was kept"
        )
        stderr().print(
            f"[bold yellow]Stopped[/]: {kept} in {escape(str(folder))}; the same command begins anew.",
            soft_wrap=True,
        )
        raise typer.Exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED) from None
    if result.done_before:
        stderr().print(
            "This run was done before, so nothing was trained; --overwrite trains it again.", soft_wrap=True
        )
    _show(result, code, as_json=as_json)


def _train(
    run_file: Path,
    code: Path | None,
    folder: Path,
    device: str,
    precision: options.PrecisionChoice | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> RunResult:
    # imported here for a quick start
    from distillkit.cli.training_progress import TrainingProgress
    from distillkit.workbench import resolve_device
    from distillkit.workbench.runs.code_file import code_file
    from distillkit.workbench.runs.run_config import read_run_file
    from distillkit.workbench.runs.train import train_run

    found = resolve_device(device)
    # the code first: it may define losses and transfer sets that the run file names
    with code_file(code) as functions:
        config = read_run_file(run_file)
        if precision is not None:
            config = config.model_copy(update={"precision": precision.value})
        with TrainingProgress(stderr(), quiet=quiet) as progress:
            return train_run(
                config, folder, code=functions, device=found, overwrite=overwrite, callbacks=(progress,)
            )


def _show(result: RunResult, code: Path | None, *, as_json: bool) -> None:
    folder = escape(str(result.folder))
    if as_json:
        outcome = {"folder": str(result.folder), "done_before": result.done_before, "metrics": result.metrics}
        print_json(outcome)
    else:
        stdout().print(_table(result))
    beside = "" if code is None else f" --code {escape(str(code))}"
    gained = f"Set it beside its teacher: [bold]distillkit compare {folder}{beside}[/]\n"
    stderr().print(
        f"Weights, history, metrics and predictions: [bold]{folder}[/]\n"
        f"{'' if result.metrics['teacher_agreement'] is None else gained}"
        f"Use the student: [bold]student.load_state_dict(safetensors.torch.load_file("
        f'"{folder}/student.safetensors"))[/]',
        soft_wrap=True,
    )


def _table(result: RunResult) -> Table:
    metrics = result.metrics
    table = Table(title="The student on the evaluation data", title_justify="left", header_style="bold")
    table.add_column("Metric")
    table.add_column("Value", justify="right")
    table.add_row("Errors", _share(metrics["test_errors"], metrics["cases"]))
    table.add_row("Mean negative log-likelihood, nats", _number(metrics["nll"]))
    table.add_row("Expected calibration error", _number(metrics["ece"]))
    if metrics["teacher_agreement"] is not None:
        table.add_row("Agreement with the teacher", f"{100 * metrics['teacher_agreement']:.2f} %")
        table.add_row("KL(teacher ‖ student), nats", _number(metrics["teacher_kl"]))
    # the metrics of a run of an older version lack them
    if metrics.get("teacher_errors") is not None:
        table.add_row("Errors of the teacher", _share(metrics["teacher_errors"], metrics["cases"]))
        table.add_row("Errors of both", str(metrics["shared_errors"]))
    if dead := metrics["never_predicted"]:
        table.add_row("Classes never predicted", f"[yellow]{', '.join(map(str, dead))}[/]")
    return table


def _share(errors: int, cases: int) -> str:
    return f"{errors} of {cases} ({100 * errors / cases:.2f} %)"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"
