"""YAML in and out: the safe loader, with the traps of YAML 1.1 taken out."""

from __future__ import annotations

import re
from typing import Any

import yaml

from distillkit.errors import ConfigurationError

# Plain scalars as in YAML 1.2, where PyYAML keeps to 1.1: `1e-3` and `1.5e3` are numbers and not strings,
# and `on`, `no`, `1:30`, `010` and `2026-01-01` are what they look like: strings, or the number 10.
_SCALARS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$|^[-+]?[0-9]+[eE][-+]?[0-9]+$"
            r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
        ),
        list("-+.0123456789"),
    ),
    ("merge", re.compile(r"^<<$"), ["<"]),
)
_MERGE = "tag:yaml.org,2002:merge"
_MOST_VALUES = 100_000


def _key_of(pair: tuple[yaml.Node, yaml.Node]) -> tuple[str, str]:
    return pair[0].tag, str(pair[0].value)


class _Loader(yaml.SafeLoader):
    """The safe loader; plain scalars as in YAML 1.2, and a key that stands twice is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for pair in node.value:
            if _key_of(pair) in seen:
                raise yaml.composer.ComposerError(
                    None, None, f"the key {pair[0].value!r} stands twice", pair[0].start_mark
                )
            seen.add(_key_of(pair))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge as YAML says: a mapping's own keys before merged ones, an earlier merged one before a later.

        PyYAML 6.0.4 takes keys for equal, or not, by where they lie in memory.
        """
        merges = [value for key, value in node.value if key.tag == _MERGE]
        own = [pair for pair in node.value if pair[0].tag != _MERGE]
        node.value = own  # before those of the merged, which may be this very mapping
        found: dict[tuple[str, str], tuple[yaml.Node, yaml.Node]] = {}
        for merge in merges:
            for mapping in merge.value if isinstance(merge, yaml.SequenceNode) else [merge]:
                if not isinstance(mapping, yaml.MappingNode):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"<< merges mappings, got a {mapping.id}", mapping.start_mark
                    )
                self.flatten_mapping(mapping)
                for pair in mapping.value:
                    found.setdefault(_key_of(pair), pair)
        node.value = list((found | {_key_of(pair): pair for pair in own}).values())

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(node.value)
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


class _Dumper(yaml.SafeDumper):
    """The safe dumper; quotes also the strings that only `_Loader` would take for numbers."""


for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def load_yaml(text: str, source: str = "The YAML text") -> Any:
    """Parse YAML with the safe loader.

    Args:
        text: One YAML document.
        source: Begins the sentence of the error.

    Raises:
        ConfigurationError: `text` is not YAML; names `source`, the line and the column.

    Example:
        >>> load_yaml("{rate: 1e-3, compile: on}")
        {'rate': 0.001, 'compile': 'on'}
    """
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader subclass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        sentence = f"{source} is not valid YAML{where}: {problem}."
        raise ConfigurationError(sentence) from None
    except RecursionError:
        raise ConfigurationError(f"{source} cannot be read: it is nested too deeply.") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise ConfigurationError(f"{source} cannot be read: {error}.") from None
    if _values_in(value, {}) > _MOST_VALUES:
        raise ConfigurationError(
            f"{source} cannot be read: its aliases (*name) stand for more than {_MOST_VALUES} values, or for "
            "what they are part of."
        )
    return value


def _values_in(value: Any, counts: dict[int, int]) -> int:
    """How many values there are with every alias written out: a short text can stand for billions."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in counts:
        counts[id(value)] = _MOST_VALUES + 1  # what it counts for within itself
        parts = value.values() if isinstance(value, dict) else value
        counts[id(value)] = 1 + sum(_values_in(part, counts) for part in parts)
    return counts[id(value)]


def dump_yaml(value: Any) -> str:
    """Write plain data as YAML, keys in the order given; `load_yaml` gives back what went in.

    Example:
        >>> print(dump_yaml({"rate": 0.001, "name": "1e3"}), end="")
        rate: 0.001
        name: '1e3'
    """
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
