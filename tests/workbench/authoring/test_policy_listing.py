"""The description of a family of policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from distillkit.policy import Policy
from distillkit.workbench.authoring.policy_listing import describe_family


class Shape(Policy):
    """A family of this test's own."""

    family: ClassVar[str] = "distillkit.shapes_of_a_test"


class Box(Shape):
    """Has corners.

    More about them.
    """

    kind: Literal["box"] = "box"
    width: float = Field(gt=0, le=10)
    """How wide
    it is."""
    corners: tuple[int, int] = (1, 2)
    names: tuple[str, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    style: Literal["round", "square"] = "round"
    only: Literal[3] = 3
    limit: int | None = Field(default=None, lt=2**63)
    inner: Shape | None = None
    anything: dict[str, object] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("name", "type_", "default"),
    [
        ("width", "number > 0, ≤ 10", "required"),
        ("corners", "list of integer", "[1, 2]"),
        ("names", "list of string", "[]"),
        ("weights", "mapping of names to number", "computed"),
        ("style", "round or square", '"round"'),
        ("only", "3", "3"),
        ("limit", "integer or null", "null"),
        ("inner", "Shape or null", "null"),
        ("anything", "mapping", "computed"),
    ],
)
def test_a_field_is_described_in_words(name: str, type_: str, default: str) -> None:
    """Type with its bounds, and default."""
    fields = {field.name: field for field in describe_family(Shape)[0].fields}
    assert (fields[name].type, fields[name].default) == (type_, default)


def test_a_kind_is_described_by_its_docstring_and_where_it_is_from() -> None:
    """The first line; the module, where no package brings it."""
    (box,) = describe_family(Shape)
    assert (box.kind, box.summary, box.problem) == ("box", "Has corners.", None)
    assert box.source == f"module {Box.__module__}"
    assert {field.name: field.description for field in box.fields}["width"] == "How wide it is."
    assert "kind" not in {field.name for field in box.fields}


def test_a_kind_that_no_file_can_hold_is_described_by_the_reason() -> None:
    """A field that JSON has no form for; the other kinds are there all the same."""

    class Drawn(Shape):
        """By a function."""

        kind: Literal["drawn"] = "drawn"
        function: Callable[[float], float] = abs

    described = {one.kind: one for one in describe_family(Shape)}
    assert described["drawn"].problem is not None
    assert described["drawn"].problem.startswith("The settings of Drawn cannot be described")
    assert described["box"].problem is None
    del Shape._kinds["drawn"]
