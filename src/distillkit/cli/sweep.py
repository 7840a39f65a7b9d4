"""`distillkit sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distillkit.cli import options
from distillkit.cli.console import stderr
from distillkit.cli.mnist_data import find_data
from distillkit.cli.outcome import finish
from distillkit.cli.runs import interruptible, run_context_for


def sweep(
    hidden_units: Annotated[
        list[int], typer.Option("--D", help="Units in each hidden layer of a student: --D 30 300 800.")
    ],
    temperatures: Annotated[list[float], typer.Option("--T", help="Temperatures: --T 1 2 4 10 20 50.")],
    losses: Annotated[
        list[str] | None,
        typer.Option(
            help="Kinds of losses (see distillkit losses), or several joined by + for their plain sum; "
            "the protocol's own where none is named.",
            show_default=False,
        ),
    ] = None,
    seeds: options.Seeds = 1,
    epochs: options.Epochs = None,
    protocol: options.Protocol = options.ProtocolName.REPORT_2025,
    data: options.Data = options.DataName.AUTO,
    data_dir: options.DataDir = None,
    out: options.Out = None,
    device: options.Device = "auto",
    precision: options.Precision = options.PrecisionChoice.AUTO,
    at_once: options.AtOnce = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Distil one MNIST teacher into students of several widths, at several temperatures.

    Each width is trained on hard labels alone, too.

    Ctrl-C loses the runs in hand, and the same command goes on.

    [dim]distillkit sweep --D 30 300 800 --T 1 2 4 10 20 50[/]

    [dim]distillkit sweep --D 100 --T 4 --losses soft_targets logit_matching --seeds 3 --epochs 10[/]
    """
    # imported here for a quick start
    from distillkit.mnist.protocols.protocol import protocol_named
    from distillkit.mnist.sweep import sweep as run_sweep

    settings = protocol_named(protocol.value)
    if epochs is not None:
        settings = settings.with_epochs(epochs)
    folder = out or Path("runs") / f"sweep-{protocol.value}"
    with run_context_for(
        protocol.value, device, precision.value, at_once=at_once, quick=False, quiet=quiet
    ) as make:
        digits = find_data(data, data_dir, stderr(), quiet=quiet)
        with interruptible(folder):
            results = run_sweep(
                settings,
                make(digits),
                folder,
                hidden_units=hidden_units,
                temperatures=temperatures,
                losses=losses or [],
                seeds=seeds,
                overwrite=overwrite,
            )
    finish(folder, results, digits.test_labels.numpy(), as_json=as_json)
