"""`distillkit inspect`: the modules of a model, and which of them pair with another's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from distillkit.cli import options
from distillkit.cli.console import print_json, stderr, stdout
from distillkit.cli.named import Named, example

if TYPE_CHECKING:
    from distillkit.workbench.compare.inspection import LayerDescription, ModelDescription
    from distillkit.workbench.compare.layer_pairs import LayerPair


def inspect(
    model: Annotated[
        str,
        typer.Argument(
            help="A model of torchvision by name, or FILE.py:FUNCTION that returns one. The file is run: "
            "name one that you trust.",
            show_default=False,
        ),
    ],
    student: Annotated[
        str | None,
        typer.Argument(
            help="Its student, where it is a teacher: suggests layers of the two to compare.",
            show_default=False,
        ),
    ] = None,
    shape: options.Input = None,
    integers: options.Integers = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Show modules of at most as many names: 1 shows layer1, not layer1.0.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """The modules of a model, what they give, parameters and multiply-adds.

    [dim]distillkit inspect resnet18[/]

    [dim]distillkit inspect models.py:small_net --input 1 28 28[/]

    [dim]distillkit inspect resnet50 mobilenet_v2 --depth 1[/]
    """
    # imported here for a quick start
    from distillkit.workbench.compare.inspection import describe_model
    from distillkit.workbench.compare.layer_pairs import suggest_pairs

    names = [model] if student is None else [model, student]
    # what a model's file prints of itself is no result
    with redirect_stdout(sys.stderr), Named() as named:
        inputs = example(names, shape, integers)
        found = [describe_model(named.model(name), inputs, name) for name in names]
    pairs = suggest_pairs(student=found[1], teacher=found[0]) if student is not None else None
    if as_json:
        outcome: dict[str, Any] = {
            "models": [_as_data(name, one) for name, one in zip(names, found, strict=True)],
            "suggested_pairs": None if pairs is None else [_pair(one) for one in pairs],
        }
        print_json(outcome)
        return
    for name, one in zip(names, found, strict=True):
        _show(name, one, depth)
    if pairs is not None:
        _suggest(pairs)


def _as_data(name: str, model: ModelDescription) -> dict[str, Any]:
    return {
        "model": name,
        "parameters": model.parameters,
        "multiply_adds": model.multiply_adds,
        "not_counted": model.not_counted,
        "layers": [
            {
                "name": one.name,
                "type": one.type,
                "output": one.output,
                "parameters": one.parameters,
                "multiply_adds": one.multiply_adds,
                "runs": one.runs,
            }
            for one in model.layers
        ],
    }


def _pair(pair: LayerPair) -> dict[str, Any]:
    return {
        "student": pair.student.name,
        "student_output": pair.student.output,
        "teacher": pair.teacher.name,
        "teacher_output": pair.teacher.output,
        "same_size": pair.same_size,
    }


def _show(name: str, model: ModelDescription, depth: int | None) -> None:
    table = Table(title=escape(name), title_justify="left", header_style="bold")
    table.add_column("Module", overflow="fold")
    table.add_column("Class", overflow="fold")
    table.add_column("Gives", justify="right", no_wrap=True)
    table.add_column("Parameters", justify="right", no_wrap=True)
    table.add_column("Mult-adds", justify="right", no_wrap=True)
    for one in model.layers:
        if depth is None or one.name.count(".") < depth:
            table.add_row(
                escape(one.name), escape(one.type), _gives(one), _number(one.parameters),
                _number(one.multiply_adds),
            )  # fmt: skip
    table.add_section()
    table.add_row("in all", "", "", f"{model.parameters:,}", f"{model.multiply_adds:,}", style="bold")
    stdout().print(table)
    others = ", ".join(f"{kind} ({count})" for kind, count in sorted(model.not_counted.items()))
    stdout().print(
        "[dim]For one example; multiply-adds of matrix products and convolutions. "
        f"Not counted: {escape(others) or 'nothing'}.[/]"
    )


def _gives(one: LayerDescription) -> str:
    if one.runs == 0:
        return "[yellow]does not run[/]"
    shape = "no batch" if one.output is None else " × ".join(map(str, one.output)) or "a number"
    return shape if one.runs == 1 else f"{shape} [yellow]({one.runs} times)[/]"


def _number(value: int) -> str:
    return f"{value:,}" if value else "[dim]–[/]"


def _suggest(pairs: Sequence[LayerPair]) -> None:
    if not pairs:
        stderr().print("No layers of the two are alike in size, so none are suggested.")
        return
    table = Table(title="Layers that one might compare", title_justify="left", header_style="bold")
    for side in ("Student's", "Teacher's"):
        table.add_column(side, overflow="fold")
        table.add_column("Gives", justify="right", no_wrap=True)
    for pair in pairs:
        table.add_row(
            escape(pair.student.name), _gives(pair.student), escape(pair.teacher.name), _gives(pair.teacher)
        )
    stdout().print(table)
    layers = ", ".join(f"{json.dumps(one.student.name)}: {json.dumps(one.teacher.name)}" for one in pairs)
    stdout().print(
        "[dim]Suggested by size alone; try them, or fewer. In a loss on features:[/] "
        f"layers: {{{escape(layers)}}}",
        soft_wrap=True,
    )
