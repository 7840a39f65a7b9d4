"""`distillkit reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distillkit.cli import options
from distillkit.cli.commands import Commands
from distillkit.cli.console import stderr, stdout
from distillkit.cli.mnist_data import find_data
from distillkit.cli.outcome import finish
from distillkit.cli.runs import interruptible, run_context_for

app = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode="rich", help="Repeat the experiments of a paper.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback()
def experiments() -> None:
    """Repeat the experiments of a paper, from raw data to a report of every published number and ours."""


@app.command("hinton-mnist")
def hinton_mnist(
    protocol: options.Protocol = options.ProtocolName.REPORT_2025,
    seeds: options.Seeds = 1,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="IDS",
            help="Run these experiments, and the teacher where they need it: --only H5,H6.",
            show_default=False,
        ),
    ] = None,
    epochs: options.Epochs = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Minutes on two cores: few epochs and cells; it says which.")
    ] = False,
    data: options.Data = options.DataName.AUTO,
    data_dir: options.DataDir = None,
    out: options.Out = None,
    device: options.Device = "auto",
    precision: options.Precision = options.PrecisionChoice.AUTO,
    at_once: options.AtOnce = None,
    overwrite: options.Overwrite = False,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print the protocol's settings as YAML and end.")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Every MNIST experiment of Hinton, Vinyals & Dean (2015) and of the 2025 report that repeats them.

    Students distilled and not, of several widths, at many temperatures; one digit left out; two digits alone.

    Before it starts it says how long it will take.

    Each run ends on disk: Ctrl-C loses the runs in hand, and the same command goes on.

    [dim]distillkit reproduce hinton-mnist --quick[/]

    [dim]distillkit reproduce hinton-mnist --protocol report-2025-code --seeds 5 --out results[/]

    [dim]distillkit reproduce hinton-mnist --protocol modern --only H1,H2,H3 --seeds 5[/]
    """
    # imported here for a quick start
    from distillkit.mnist.protocols.protocol import protocol_named

    settings = protocol_named(protocol.value)
    if show_settings:
        # imported here for a quick start
        from distillkit.yaml_io import dump_yaml

        stdout().print(dump_yaml(settings.settings()), end="", markup=False, soft_wrap=True)
        return
    if quick and (seeds != 1 or only is not None or epochs is not None):
        raise typer.BadParameter(
            "--quick runs one seed of its own few cells and epochs; leave --seeds, --only and --epochs out, "
            "or --quick."
        )
    # imported here for a quick start
    from distillkit.mnist.plan import chosen_experiments
    from distillkit.mnist.reproduction import QUICK_LEAVES_OUT, reproduce

    ids = [one.strip() for one in only.split(",")] if only is not None else []
    chosen_experiments(settings, ids)  # refused before data are looked for
    if epochs is not None:
        settings = settings.with_epochs(epochs)

    folder = out or Path("runs") / f"hinton-mnist-{protocol.value}{'-quick' * quick}"
    with run_context_for(
        protocol.value, device, precision.value, at_once=at_once, quick=quick, quiet=quiet
    ) as make:
        if quick and not quiet:
            stderr().print(f"[bold]Quick[/]: {'; '.join(QUICK_LEAVES_OUT)}.")
        digits = find_data(data, data_dir, stderr(), quiet=quiet)
        with interruptible(folder):
            results = reproduce(settings, seeds, make(digits), folder, only=ids, overwrite=overwrite)
    finish(folder, results, digits.test_labels.numpy(), as_json=as_json)
