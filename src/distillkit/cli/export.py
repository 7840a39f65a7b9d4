"""`distillkit export`: a trained student as a file that stands alone."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from distillkit.cli import options
from distillkit.cli.console import print_json, stderr, stdout, warnings_in_a_line

if TYPE_CHECKING:
    from torch import nn

    from distillkit.workbench.export import Exported

_EXAMPLES = 4
"""Examples of a run's data with which the file is checked."""

_USE = {
    ".safetensors": 'student.load_state_dict(safetensors.torch.load_file("{file}"))',
    ".pt2": 'torch.export.load("{file}").module()',
    ".onnx": 'onnxruntime.InferenceSession("{file}")',
}


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN_FOLDER|MODEL",
            help="The folder of a run of distillkit train, whose student is meant. Or a model of torchvision "
            "by name, or FILE.py:FUNCTION that returns one. The file is run: name one that you trust.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="The file to write: NAME.safetensors, NAME.pt2 or NAME.onnx.", show_default=False),
    ],
    code: options.RunCode = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Of a model: a plain state dict, .safetensors or .pt; a run's folder has its own.",
            show_default=False,
        ),
    ] = None,
    shape: options.Input = None,
    integers: options.Integers = None,
    fixed_batch: Annotated[
        bool, typer.Option("--fixed-batch", help="For batches of one size alone, that of the check.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a trained student as safetensors, torch.export or ONNX, if the file answers as the student does.

    It is checked on the run's own data, or on an example of --input.

    Beside it, NAME.json says what it is and how it was checked.

    Ends with exit code 1 where the answers differ; nothing is written then.

    [dim]distillkit export runs/run --code models.py --out student.onnx[/]

    [dim]distillkit export models.py:small_net --weights small.pt --input 1 28 28 --out small.pt2[/]
    """
    # imported here for a quick start
    from distillkit.workbench.export import export_model

    # what a model's file prints of itself is no result
    with redirect_stdout(sys.stderr), warnings_in_a_line(), ExitStack() as stack:
        found, inputs = _model_and_inputs(model, code, weights, shape, integers, stack)
        exported = export_model(
            found,
            inputs,
            out,
            source=_source(model, code, weights),
            any_batch_size=not fixed_batch,
            overwrite=overwrite,
        )
    if as_json:
        print_json(exported.description)
    else:
        stdout().print(_table(exported))
    stderr().print(
        f"What it is and how it was checked: [bold]{escape(str(exported.description_path))}[/]\n"
        f"Use it: [bold]{escape(_USE[out.suffix].format(file=out))}[/]",
        soft_wrap=True,
    )


def _model_and_inputs(
    name: str,
    code: Path | None,
    weights: Path | None,
    shape: list[int] | None,
    integers: int | None,
    stack: ExitStack,
) -> tuple[nn.Module, Any]:
    # imported here for a quick start
    from distillkit.cli.named import Named, example, file_and_function
    from distillkit.errors import ConfigurationError
    from distillkit.workbench.compare.inspection import example_batch
    from distillkit.workbench.runs.code_file import code_file
    from distillkit.workbench.runs.finished_run import FinishedRun

    if Path(name).is_dir():
        if weights is not None:
            raise ConfigurationError("A run's folder has weights of its own: leave --weights out.")
        run = FinishedRun(Path(name), stack.enter_context(code_file(code)))
        if shape is None:
            if integers is not None:
                raise ConfigurationError("--integers is for an example of --input: give its shape, too.")
            return run.student(), run.examples(_EXAMPLES)
        return run.student(), example_batch(shape, integers_below=integers)
    if code is not None:
        raise ConfigurationError("--code is for a run's folder: name the function as FILE.py:FUNCTION.")
    if weights is None and file_and_function(name) is None:
        raise ConfigurationError(f"{name} by name has random weights: name trained ones with --weights.")
    inputs = example([name], shape, integers)
    return stack.enter_context(Named()).model(name, weights), inputs


def _source(name: str, code: Path | None, weights: Path | None) -> dict[str, str]:
    """Return the name of the model, and the digests of the files behind it."""
    # imported here for a quick start
    from distillkit.cli.named import file_and_function
    from distillkit.workbench.results.atomic import sha256_of
    from distillkit.workbench.runs.run_folder import WEIGHTS

    if Path(name).is_dir():
        weights = Path(name) / WEIGHTS
    elif place := file_and_function(name):
        code = place[0]
    files = {str(file): sha256_of(file.expanduser()) for file in (code, weights) if file is not None}
    return {"model": name, **{f"sha256 of {file}": digest for file, digest in files.items()}}


def _table(exported: Exported) -> Table:
    told = exported.description
    checked = told["checked"]
    table = Table(title=escape(str(exported.path)), title_justify="left", header_style="bold")
    table.add_column("What")
    table.add_column("Is", overflow="fold")
    table.add_row("Format", escape(f"{told['format']}, {told['bytes']:,} bytes"))
    for kind, tensors in (("Input", told["inputs"]), ("Output", told["output"])):
        for name, one in tensors.items():
            sizes = " × ".join(map(str, one["shape"]))
            table.add_row(kind, escape(f"{name}: {sizes}, {one['dtype']}"))
    table.add_row("Checked with batches of", ", ".join(map(str, checked["batch_sizes"])))
    table.add_row(
        "Largest difference",
        f"{checked['largest_difference']:.1e}, of logits up to {checked['largest_logit']:.3g}",
    )
    return table
