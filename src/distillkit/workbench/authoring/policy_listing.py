"""Descriptions of the installed policies of a family, plug-ins too, for people and programs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import PydanticUserError
from pydantic_core import to_jsonable_python

from distillkit.errors import ConfigurationError
from distillkit.policy import Policy

BUILT_IN = "built in"


@dataclass(frozen=True)
class FieldDescription:
    """One setting of a policy."""

    name: str
    type: str
    """The values that may stand in a file, in words: `number > 0`, `list of integer ≥ 0`."""
    default: str
    """The default as JSON; `required` where there is none."""
    description: str


@dataclass(frozen=True)
class PolicyDescription:
    """One kind of policy."""

    kind: str
    source: str
    """`built in`, or the package that brings it."""
    summary: str
    """The first line of the class's docstring."""
    fields: tuple[FieldDescription, ...]
    schema: dict[str, Any]
    """The JSON Schema of its settings."""
    problem: str | None = None
    """Why it cannot be used, or not from a file; then it has no fields."""


def describe_family(family: type[Policy], kinds: Sequence[str] = ()) -> list[PolicyDescription]:
    """Every kind of a family: built in, installed as a plug-in, or defined so far; by name.

    A plug-in that cannot be loaded is described by its reason.

    Args:
        family: `Loss` or `TransferSet`.
        kinds: Describe these alone, in this order.

    Raises:
        ConfigurationError: There is no such kind.

    Example:
        >>> from distillkit.losses import Loss
        >>> describe_family(Loss, ["soft_targets"])[0].fields[0].type
        'number > 0 or Schedule'
    """
    plugins, there = family.plugins(), family.kinds()
    for kind in kinds:
        if kind not in there:
            family.kind_class(kind)  # raises, and says what was probably meant
    return [_describe(family, kind, plugins.get(kind)) for kind in kinds or there]


def _describe(family: type[Policy], kind: str, plugin: EntryPoint | None) -> PolicyDescription:
    try:
        found = family.kind_class(kind)
        schema = found.model_json_schema()
    except ConfigurationError as error:
        return PolicyDescription(kind, _source(None, plugin), "", (), {}, problem=str(error))
    except PydanticUserError as error:
        problem = (
            f"The settings of {found.__name__} cannot be described, nor written to a file: {error.message}."
        )
        return PolicyDescription(kind, _source(found, plugin), "", (), {}, problem=problem)
    required = set(schema.get("required", ()))
    fields = tuple(
        FieldDescription(
            name,
            _type(field, schema),
            "required" if name in required else _default(found, name),
            " ".join(field.get("description", "").split()),
        )
        for name, field in schema["properties"].items()
        if name != "kind"
    )
    summary = (inspect.getdoc(found) or "").partition("\n")[0]
    return PolicyDescription(kind, _source(found, plugin), summary, fields, schema)


def _source(found: type[Policy] | None, plugin: EntryPoint | None) -> str:
    if found is not None and found.__module__.partition(".")[0] == "distillkit":
        return BUILT_IN
    if plugin is not None and plugin.dist is not None:
        return f"{plugin.dist.name} {plugin.dist.version}"
    return "unknown" if found is None else f"module {found.__module__}"


def _default(found: type[Policy], name: str) -> str:
    field = found.model_fields[name]
    if field.default_factory is not None:
        return "computed"
    default = field.default
    return json.dumps(
        default.to_dict() if isinstance(default, Policy) else to_jsonable_python(default), ensure_ascii=False
    )


_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
_LARGEST_SHOWN = 2**53


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(one, schema) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(map(str, field.get("enum", [field.get("const")])))
    kind = str(field.get("type", "anything"))
    if kind == "array":
        items: dict[str, Any] = field.get("items") or next(iter(field.get("prefixItems", ())), {})
        return f"list of {_type(items, schema)}"
    if kind == "object":
        return _mapping(field, schema)
    bounds = [
        f"{sign} {field[bound]:g}"
        for bound, sign in _BOUNDS.items()
        if bound in field and abs(field[bound]) < _LARGEST_SHOWN
    ]
    return " ".join([kind, ", ".join(bounds)]).strip()


def _mapping(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Describe a mapping: the names, if they are known, and the values."""
    values = field.get("additionalProperties")
    if isinstance(values, dict):
        return f"mapping of names to {_type(values, schema)}"
    return str(field["title"]) if "properties" in field else "mapping"
