"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProtocolName(StrEnum):
    """The protocols, by name; held against `distillkit.mnist.protocols.protocol` by a test."""

    REPORT_2025 = "report-2025"
    REPORT_2025_CODE = "report-2025-code"
    HINTON_2015 = "hinton-2015"
    MODERN = "modern"


class DataName(StrEnum):
    """Which digits."""

    AUTO = "auto"
    MNIST = "mnist"
    STAND_IN = "stand-in"


class PrecisionChoice(StrEnum):
    """Precision of the forward pass."""

    AUTO = "auto"
    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"


Protocol = Annotated[
    ProtocolName,
    typer.Option(
        help="The settings: the report's text or its code, the paper's 3,000 epochs, or a recipe of ours."
    ),
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds: 0 to N - 1. More can be added later.")]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Instead of the protocol's, for teacher and students.", show_default=False),
]
Data = Annotated[
    DataName,
    typer.Option(
        help="auto: MNIST, or else the built-in stand-in; mnist: nothing else; stand-in: drawn digits."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder that holds MNIST/raw, torchvision's root; else DISTILLKIT_DATA names it.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[
    PrecisionChoice, typer.Option(help="Of the forward pass; auto: bf16 where the hardware has it.")
]
AtOnce = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Runs that go on side by side, each with its share of the cores; else as many as let all end "
        "first: on a CPU at most one a core, as far as memory allows, on a GPU one.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the results; the same command goes on in it.", show_default=False),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Throw away what the folder holds and begin anew.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the outcome.")]
Json = Annotated[bool, typer.Option("--json", help="The outcome as JSON on stdout.")]
Input = Annotated[
    list[int] | None,
    typer.Option(
        "--input",
        help="Shape of one example, without the batch: 1 28 28, say; torchvision's models need none.",
        show_default=False,
    ),
]
Integers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The example of --input is of integers below this: a number of tokens.",
        show_default=False,
    ),
]
RunCode = Annotated[
    Path | None,
    typer.Option(
        help="Of a run's folder: the Python file whose functions the run names. It is run.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path, typer.Argument(help="The folder that a reproduce or a sweep wrote.", show_default=False)
]
