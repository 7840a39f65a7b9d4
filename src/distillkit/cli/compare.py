"""`distillkit compare`: what was gained, a teacher and a student side by side."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from distillkit.cli import options
from distillkit.cli.console import print_json, stderr, warnings_in_a_line


def compare(
    teacher: Annotated[
        str,
        typer.Argument(
            metavar="RUN_FOLDER|TEACHER",
            help="The folder of a run of distillkit train, whose two models are compared on its evaluation "
            "data. Or the teacher: a model of torchvision by name, or FILE.py:FUNCTION that returns one.",
            show_default=False,
        ),
    ],
    student: Annotated[
        str | None,
        typer.Argument(help="The student, named like the teacher. Files are run.", show_default=False),
    ] = None,
    code: options.RunCode = None,
    teacher_weights: Annotated[
        Path | None, typer.Option(help="A plain state dict, .safetensors or .pt.", show_default=False)
    ] = None,
    student_weights: Annotated[
        Path | None, typer.Option(help="A plain state dict, .safetensors or .pt.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:FUNCTION",
            help="Returns (train, evaluation), as for a run file: compares the answers too.",
            show_default=False,
        ),
    ] = None,
    shape: options.Input = None,
    integers: options.Integers = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples in a batch of the throughput.")] = 32,
    seconds: Annotated[
        float,
        typer.Option(min=0.001, help="How long latency and throughput are measured, each; longer is surer."),
    ] = 5.0,
    device: options.Device = "auto",
    precision: Annotated[
        options.PrecisionChoice | None,
        typer.Option(help="Of the forward pass; else the run's own, or auto.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Draws a figure into this file, .png or .svg.", show_default=False)
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Size, speed, errors and calibration of a teacher and its student.

    Both are timed in turn in one process. Without data, on an example of --input, there are no errors.

    [dim]distillkit compare runs/run --code models.py --out gained.png[/]

    [dim]distillkit compare resnet50 mobilenet_v3_small[/]

    [dim]distillkit compare models.py:teacher models.py:student --input 1 28 28[/]
    """
    # imported here for a quick start
    from distillkit.cli.compare_tables import show
    from distillkit.workbench import resolve_device
    from distillkit.workbench.compare.comparison import compare_models
    from distillkit.workbench.compare.figure import comparison_image, kind_of_image
    from distillkit.workbench.results.atomic import write_atomically
    from distillkit.workbench.results.writable import check_writable

    kind, there = None if out is None else kind_of_image(out), resolve_device(device)
    if out is not None:
        check_writable(out)
    # what models and data print of themselves is no result
    with redirect_stdout(sys.stderr), warnings_in_a_line(), ExitStack() as stack:
        if student is None:
            _refuse_what_is_no_folder(Path(teacher))
            _refuse(
                "A run's folder has its own models, weights and data",
                teacher_weights=teacher_weights,
                student_weights=student_weights,
                data=data,
                input=shape,
                integers=integers,
            )
            compared = {"run": teacher}
            given = _of_run(Path(teacher), code, stack)
        else:
            _refuse("FILE.py:FUNCTION names the file itself", code=code)
            compared = {"teacher": teacher, "student": student}
            given = _named(
                (teacher, teacher_weights), (student, student_weights), data, shape, integers, stack
            )
        if not quiet:
            stderr().print("[dim]Measuring; other work on the machine shows in the spread.[/]")
        if precision is not None:
            given["precision"] = precision.value
        models = {side: given.pop(side).to(there) for side in ("teacher", "student")}
        found = compare_models(**models, **given, batch_size=batch_size, seconds=seconds)
    title = " → ".join(compared.values())
    if out is not None and kind is not None:
        write_atomically(out, comparison_image(found, title, kind))
    if as_json:
        print_json({"compared": compared, **found.to_dict()})
    else:
        show(found, title)
    if out is not None:
        stderr().print(f"Figure: [bold]{escape(str(out))}[/]", soft_wrap=True)


def _of_run(folder: Path, code: Path | None, stack: ExitStack) -> dict[str, Any]:
    # imported here for a quick start
    from distillkit.errors import ConfigurationError
    from distillkit.workbench.runs.code_file import code_file
    from distillkit.workbench.runs.finished_run import FinishedRun

    run = FinishedRun(folder, stack.enter_context(code_file(code)))
    if run.config.teacher is None:
        raise ConfigurationError(
            f"The student in {folder} had no teacher to compare it with: name two models."
        )
    large, small = run.models()
    return {"teacher": large, "student": small, "data": run.evaluation(), "precision": run.config.precision}


def _named(
    teacher: tuple[str, Path | None],
    student: tuple[str, Path | None],
    data: str | None,
    shape: list[int] | None,
    integers: int | None,
    stack: ExitStack,
) -> dict[str, Any]:
    # imported here for a quick start
    from distillkit.cli.named import Named, example, file_and_function

    named = stack.enter_context(Named())
    models = {"teacher": named.model(*teacher), "student": named.model(*student)}
    if data is None:
        what = {"inputs": example([teacher[0], student[0]], shape, integers)}
    else:
        _refuse("The inputs are those of the data", input=shape, integers=integers)
        what = {"data": named.data(data)[1]}
        for side, (name, weights) in (("teacher", teacher), ("student", student)):
            if weights is None and file_and_function(name) is None:
                warnings.warn(
                    f"{name} has random weights, so its answers say nothing: name its own with "
                    f"--{side}-weights.",
                    stacklevel=2,
                )
    return {**models, **what}


def _refuse_what_is_no_folder(folder: Path) -> None:
    # imported here for a quick start
    from distillkit.errors import ConfigurationError

    if not folder.is_dir():
        raise ConfigurationError(
            f"There is no folder {folder} of a run: name one, or two models, the teacher and the student."
        )


def _refuse(why: str, **options_given: Any) -> None:
    # imported here for a quick start
    from distillkit.errors import ConfigurationError

    for name, value in options_given.items():
        if value is not None:
            raise ConfigurationError(f"{why}: leave --{name.replace('_', '-')} out.")
