"""YAML in and out: the safe loader, with the traps of YAML 1.1 taken out."""

from __future__ import annotations

import re
from typing import Any

import yaml

from distillkit.errors import ConfigurationError


class _Loader(yaml.SafeLoader):
    """The safe loader; `1e-3` is a number, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 wants a dot in a float, so PyYAML reads `1e-3` as a string.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_yaml(text: str, source: str = "the YAML text") -> Any:
    """Parse YAML with the safe loader.

    Raises:
        ConfigurationError: `text` is not YAML; names `source`, the line and the column.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader subclass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigurationError(f"{source} is not valid YAML{where}: {problem}.") from None


def dump_yaml(value: Any) -> str:
    """Write plain data as YAML, keys in the order given."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text
