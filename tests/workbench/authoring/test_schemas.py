"""The JSON Schemas for editors: what they accept and refuse, by a validator of the keywords that they use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.policy import Policy
from distillkit.workbench.authoring.schemas import FAMILIES, schema_of
from distillkit.workbench.runs.run_config import RunConfig
from distillkit.yaml_io import load_yaml

RUN = """
teacher: {kind: function, function: net}
student: {kind: torchvision, name: resnet18, num_classes: 10}
data: {kind: torchvision, dataset: CIFAR10, normalise: {mean: [0.5], std: [0.5]}}
loss: {kind: weighted_sum, terms: {s: {kind: soft_targets, temperature: 4}, at: {kind: at, layers: {a: x}}}}
transfer_set: {kind: chain, parts: [{kind: omit_classes, classes: [3]}, {kind: unlabelled}]}
optimizer: {kind: sgd, learning_rate: 0.1}
epochs: 2
"""

TYPES = {"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool}
ANNOTATIONS = {"$defs", "$schema", "default", "description", "examples", "format", "title"}


def fits(value: Any, schema: Any, whole: dict[str, Any]) -> bool:
    """Whether a value is valid; a keyword that is not known here is an error."""
    return schema if isinstance(schema, bool) else all(
        _holds(key, wanted, value, schema, whole) for key, wanted in schema.items() if key not in ANNOTATIONS
    )  # fmt: skip


def _holds(key: str, wanted: Any, value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    sized = isinstance(value, (list, dict, str))
    items = value if isinstance(value, list) else []
    fields = value if isinstance(value, dict) else {}
    match key:
        case "$ref":
            return fits(value, whole["$defs"][wanted.removeprefix("#/$defs/")], whole)
        case "anyOf":
            return any(fits(value, one, whole) for one in wanted)
        case "oneOf":
            return sum(fits(value, one, whole) for one in wanted) == 1
        case "const":
            return bool(value == wanted)
        case "enum":
            return value in wanted
        case "type" if wanted == "number":
            return number
        case "type" if wanted == "integer":
            return number and value == int(value)
        case "type":
            return isinstance(value, TYPES[wanted])
        case "properties":
            return all(fits(fields[name], one, whole) for name, one in wanted.items() if name in fields)
        case "required":
            return not isinstance(value, dict) or set(wanted) <= set(fields)
        case "additionalProperties":
            return all(
                fits(fields[name], wanted, whole) for name in set(fields) - set(schema.get("properties", {}))
            )
        case "prefixItems":
            return all(fits(one, each, whole) for one, each in zip(items, wanted, strict=False))
        case "items":
            return all(fits(one, wanted, whole) for one in items)
        case "minimum":
            return not number or value >= wanted
        case "exclusiveMinimum":
            return not number or value > wanted
        case "maximum":
            return not number or value <= wanted
        case "exclusiveMaximum":
            return not number or value < wanted
        case "minItems" | "minProperties" | "minLength":
            return not sized or len(value) >= wanted
        case "maxItems":
            return not sized or len(value) <= wanted
        case "uniqueItems":
            return len({repr(one) for one in items}) == len(items)
    raise AssertionError(f"an unknown keyword, {key}")


def run_with(**changes: Any) -> dict[str, Any]:
    """The run file with other values."""
    return {**load_yaml(RUN), **changes}


def test_a_run_file_fits() -> None:
    """As RunConfig reads it, nested policies and those of several families included; and as it writes it."""
    schema = schema_of().schema
    assert fits(load_yaml(RUN), schema, schema)
    assert fits(RunConfig.from_yaml(RUN).to_dict(), schema, schema)


def test_the_run_files_of_the_docs_fit() -> None:
    """Each whole run file that is shown."""
    page = (Path(__file__).parents[3] / "docs" / "run-files.md").read_text(encoding="utf-8")
    shown = [
        load_yaml(text) for text in re.findall(r"^```yaml[^\n]*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    ]
    runs = [
        one for one in shown if isinstance(one, dict) and {"student", "data", "loss", "epochs"} <= set(one)
    ]
    schema = schema_of().schema
    assert runs
    assert all(fits(run, schema, schema) for run in runs)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"kind": "soft_targets"}},
        {"loss": {"kind": "soft_targets", "temperature": 0}},
        {"loss": {"kind": "soft_targets", "temperature": 4, "alpha": 1}},
        {"loss": {"kind": "soft_target", "temperature": 4}},
        {"loss": {"temperature": 4}},
        {"loss": {"kind": "weighted_sum", "terms": {"a": {"kind": "nonsense"}}}},
        {"loss": {"kind": "weighted_sum", "terms": {}}},
        {"transfer_set": {"kind": "soft_targets", "temperature": 4}},
        {"data": {"kind": "torchvision", "dataset": "MNIST", "normalise": {"mean": [0.5]}}},
        {"epoch": 3},
        {"epochs": 0},
        {"student": None},
    ],
)
def test_what_a_run_refuses_does_not_fit(changes: dict[str, Any]) -> None:
    """A misspelt field or kind, a value out of range, what is missing: the class and the schema agree."""
    with pytest.raises(ConfigurationError):
        RunConfig.from_dict(run_with(**changes))
    schema = schema_of().schema
    assert not fits(run_with(**changes), schema, schema)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_is_in_its_union_and_stands_by_itself(family: type[Policy]) -> None:
    """And what it refers to is there, nothing else."""
    whole = schema_of().schema
    named = [one["$ref"].rpartition(".")[2] for one in whole["$defs"][family.__name__]["oneOf"]]
    assert named == family.kinds()
    for kind in named:
        schema = schema_of(kind).schema
        assert f"{family.__name__}.{kind}" in schema["$defs"]
        referred = set(re.findall(r"'#/\$defs/([^']+)'", repr(schema)))
        assert referred == set(schema["$defs"])


def test_a_kind_of_two_families_is_either() -> None:
    """`torchvision` is a model and a data set."""
    schema = schema_of("torchvision").schema
    assert fits({"kind": "torchvision", "name": "resnet18"}, schema, schema)
    assert fits({"kind": "torchvision", "dataset": "MNIST"}, schema, schema)
    assert not fits({"kind": "torchvision"}, schema, schema)


def test_a_kind_that_is_not_there() -> None:
    """Says what was probably meant."""
    with pytest.raises(ConfigurationError, match=r"no kind 'soft_target' \(did you mean 'soft_targets'\?\)"):
        schema_of("soft_target")


def test_classes_of_one_name_are_kept_apart() -> None:
    """A loss with a nested model that bears the name of another loss's, or of a loss."""

    class SoftTargets(Policy):
        """Of a plug-in."""

        sharpness: float

    class Nested(Loss):
        """A loss from elsewhere."""

        kind: Literal["nested_for_a_test"] = "nested_for_a_test"
        inner: SoftTargets

        def __call__(self, *, student: Any, teacher: Any, labels: Any) -> Any:
            """Nothing."""

    schema = schema_of().schema
    assert fits(run_with(loss={"kind": "nested_for_a_test", "inner": {"sharpness": 1}}), schema, schema)
    assert fits(run_with(), schema, schema)
    assert not fits(run_with(loss={"kind": "nested_for_a_test", "inner": {"temperature": 1}}), schema, schema)


def test_examples_of_settings_fit() -> None:
    """What a field's own examples show an editor is valid where it stands."""
    whole = schema_of().schema
    shown = 0
    for name, schema in whole["$defs"].items():
        for field in schema.get("properties", {}).values():
            for example in field.get("examples", []):
                assert fits(example, field, whole), name
                shown += 1
    assert shown > 0
