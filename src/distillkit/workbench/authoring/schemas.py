"""Whole JSON Schemas of run files and policies, for editors: a family is the union of its kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.policy import Policy
from distillkit.transfer_sets import TransferSet
from distillkit.workbench.authoring.policy_listing import describe_family
from distillkit.workbench.runs.data_sources import DataSource
from distillkit.workbench.runs.model_sources import ModelSource
from distillkit.workbench.runs.optimizers import Optimizer, Schedule
from distillkit.workbench.runs.run_config import RunConfig

FAMILIES: tuple[type[Policy], ...] = (ModelSource, DataSource, Loss, TransferSet, Optimizer, Schedule)
"""The roots that a run file's fields are of."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Schema:
    """A JSON Schema, and what could not be put into it."""

    schema: dict[str, Any]
    problems: tuple[str, ...]
    """Why plug-ins are not in it, a sentence each."""


def schema_of(kind: str | None = None) -> Schema:
    """The JSON Schema of a run file, or of one kind of policy; it stands by itself, plug-ins included.

    Args:
        kind: A kind of any family (`soft_targets`); a run file's where `None`. One that several families have
            is either of them.

    Raises:
        ConfigurationError: There is no such kind, or its plug-in cannot be used.

    Example:
        >>> sorted(schema_of("soft_targets").schema)
        ['$defs', '$ref', '$schema']
    """
    definitions: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for family in FAMILIES:
        usable = []
        for one in describe_family(family):
            if one.problem is None:
                usable.append(one.kind)
                definitions.update(_kind(family, one.kind, one.schema))
            else:
                problems[f"{family.__name__}.{one.kind}"] = one.problem
        definitions[family.__name__] = {
            "description": _described(family.model_json_schema()),
            "oneOf": [_reference(f"{family.__name__}.{each}") for each in usable],
        }
    if kind is None:
        whole = RunConfig.model_json_schema()
        own = {name: one for name, one in whole.pop("$defs").items() if name not in definitions}
        body = {**whole, "title": "A run file of distillkit", "description": _described(whole)}
        return Schema({"$schema": DIALECT, **body, "$defs": {**definitions, **own}}, tuple(problems.values()))
    return Schema(_only(kind, definitions, problems), ())


def _only(kind: str, definitions: dict[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    named = [f"{family.__name__}.{kind}" for family in FAMILIES]
    found = [_reference(name) for name in named if name in definitions]
    if not found:
        for name in named:
            if name in problems:
                raise ConfigurationError(problems[name])
        known = sorted({each for family in FAMILIES for each in family.kinds()})
        close = get_close_matches(kind, known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigurationError(f"There is no kind {kind!r}{meant}; there are {', '.join(known)}.")
    body = found[0] if len(found) == 1 else {"anyOf": found}
    needed: dict[str, Any] = {}
    waiting = list(_references(body))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = definitions[name]
            waiting += _references(definitions[name])
    return {"$schema": DIALECT, **body, "$defs": dict(sorted(needed.items()))}


def _kind(family: type[Policy], kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The definition of a kind, and those that are its own, by names that no other kind has."""
    prefix = f"{family.__name__}.{kind}"
    roots = {each.__name__ for each in FAMILIES}
    own = {name: one for name, one in schema.get("$defs", {}).items() if name not in roots}
    body = {name: one for name, one in schema.items() if name != "$defs"}
    # in a union the kind says which class is meant, so it must be there
    body["required"] = ["kind", *(name for name in body.get("required", ()) if name != "kind")]
    body["description"] = _described(body)
    renamed = {name: f"{prefix}.{name}" for name in own}
    return {
        prefix: _renamed(body, renamed),
        **{renamed[name]: _renamed(one, renamed) for name, one in own.items()},
    }


def _described(schema: dict[str, Any]) -> str:
    """The docstring up to its example, which an editor cannot show well."""
    return str(schema.get("description", "")).partition("\n\nExample:")[0]


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix("#/$defs/")
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _references(one)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _renamed(one, names) for key, one in value.items()}
    if isinstance(value.get("$ref"), str):
        name = value["$ref"].removeprefix("#/$defs/")
        changed["$ref"] = f"#/$defs/{names.get(name, name)}"
    return changed
