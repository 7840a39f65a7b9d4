"""YAML in and out, without the traps of YAML 1.1."""

from __future__ import annotations

import math
from typing import Any

import pytest

from distillkit.errors import ConfigurationError
from distillkit.yaml_io import dump_yaml, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-1e5", -1e5),
        ("1.5e3", 1500.0),
        (".5e-3", 0.0005),
        ("+2.", 2.0),
        ("0.1", 0.1),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("10", 10),
        ("-3", -3),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_numbers_and_words_are_what_they_look_like(text: str, value: object) -> None:
    """Plain scalars are read as YAML 1.2 has it: a number with an exponent is a number."""
    loaded = load_yaml(f"a: {text}")["a"]
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "no", "y", "1:30", "2026-01-01", "1_000", "e3", "1e", "."]
)
def test_strings_stay_strings(text: str) -> None:
    """What YAML 1.1 made a truth value, a time or a date is a string; `compile: on` is the word."""
    assert load_yaml(f"a: {text}") == {"a": text}


def test_not_a_number_is_a_float() -> None:
    """`.nan` is read, for whoever then refuses it by name."""
    assert math.isnan(load_yaml("a: .nan")["a"])


@pytest.mark.parametrize(
    "value",
    ["1e-3", "1e3", "1.5e3", ".5", "010", "on", "no", "true", "null", "~", "", "1:30", "2026-01-01", "0o7",
     "é: [x]", "<<", "=", "two\nlines",
     1e-7, 1e22, 0.1, -3, 2**63, True, None, [1, [2.5, {"a": None}]], {}, math.inf],
)  # fmt: skip
def test_what_is_written_is_read(value: Any) -> None:
    """Every string, also one that looks like a number, comes back as it was: as a value and as a key."""
    assert load_yaml(dump_yaml({"a": value})) == {"a": value}
    if isinstance(value, str):
        assert load_yaml(dump_yaml({value: 1})) == {value: 1}


def test_order_of_the_keys_is_kept() -> None:
    """Keys are written in the order given."""
    assert dump_yaml({"z": 1, "a": 2}) == "z: 1\na: 2\n"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: 1\nb: 2\na: 3", 3, 1), ("x:\n  a: 1\n  a: 1", 3, 3), ("{a: 1, a: 2}", 1, 8), ("1: a\n1: b", 2, 1)],
)
def test_a_key_that_stands_twice_is_refused(text: str, line: int, column: int) -> None:
    """The second of two equal keys would win without a word; it is refused with its line and column."""
    expected = rf"line {line}, column {column}: the key '.' stands twice\.$"
    with pytest.raises(ConfigurationError, match=expected):
        load_yaml(text)


def test_keys_that_only_look_alike_are_two() -> None:
    """The number 1 and the string '1' are two keys."""
    assert load_yaml("1: a\n'1': b") == {1: "a", "1": "b"}


def test_anchors_and_merges_work() -> None:
    """A merged mapping may be overridden key by key, also where a merge is merged again."""
    for x, y in (("x", "y"), ("width", "temperature")):
        text = f"deep: {{b: &b {{<<: {{{x}: 1, {y}: 1}}, {x}: 2}}}}\nc: {{<<: *b, {y}: 3}}"
        assert load_yaml(text) == {"deep": {"b": {x: 2, y: 1}}, "c": {x: 2, y: 3}}


@pytest.mark.parametrize("key", ["x", "width"])
def test_of_several_merged_mappings_the_first_wins(key: str) -> None:
    """As the specification of the merge key has it."""
    text = f"a: &a {{{key}: 1}}\nb: &b {{{key}: 2, other: 3}}\nc: {{<<: [*a, *b]}}"
    assert load_yaml(text)["c"] == {key: 1, "other": 3}


def test_a_merge_of_no_mapping_is_refused() -> None:
    """Named by its line, as any other error."""
    with pytest.raises(ConfigurationError, match=r"line 1, column 10: << merges mappings, got a scalar"):
        load_yaml("a: {<<: [1]}")


def test_a_mapping_that_merges_itself_ends() -> None:
    """There is nothing in it to merge."""
    assert load_yaml("a: &a {<<: *a, x: 1}") == {"a": {"x": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [echo]",
        "a: !!python/name:os.system",
        "a: !!python/tuple [1]",
        "a: !Own {}",
    ],
)
def test_tags_that_make_objects_are_refused(text: str) -> None:
    """A file from elsewhere runs nothing: a tag that YAML itself does not know is an error with its place."""
    with pytest.raises(ConfigurationError, match=r"line 1, column 4: could not determine a constructor"):
        load_yaml(text)


@pytest.mark.parametrize(
    "text", ["a: [", "a: {b: 1}\n c: 2", "\x00", "a: 'b", "*unknown", "a: 1\n---\nb: 2", "? [1]\n: 2"]
)
def test_what_is_no_yaml_is_one_sentence(text: str) -> None:
    """A text that cannot be parsed is one sentence that begins with its name."""
    with pytest.raises(ConfigurationError, match=r"^run\.yaml is not valid YAML") as caught:
        load_yaml(text, "run.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"^The YAML text is not valid YAML"):
        load_yaml(text)
