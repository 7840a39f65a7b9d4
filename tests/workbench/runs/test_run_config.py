"""A run file: what it may say, and that reading it runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distillkit.errors import ConfigurationError
from distillkit.losses import SoftTargets
from distillkit.transfer_sets import Full
from distillkit.workbench.runs.model_sources import EnsembleModel, FunctionModel
from distillkit.workbench.runs.optimizers import AdamW, Constant
from distillkit.workbench.runs.run_config import RunConfig, read_run_file

SMALL: dict[str, Any] = {
    "teacher": None,
    "student": {"kind": "function", "function": "net"},
    "data": {"kind": "function", "function": "data"},
    "loss": {"kind": "hard_labels"},
    "epochs": 2,
}
LARGE: dict[str, Any] = {
    "teacher": {
        "kind": "ensemble",
        "average": "probabilities",
        "members": [
            {"kind": "torchvision", "name": "resnet18", "num_classes": 10, "weights_file": "a.safetensors"},
            {
                "kind": "function",
                "function": "big",
                "arguments": {"units": [3, 4], "name": "1e3", "on": True},
            },
        ],
    },
    "student": {"kind": "function", "function": "small"},
    "data": {
        "kind": "torchvision",
        "dataset": "CIFAR10",
        "root": "data",
        "image_size": 64,
        "channels": 3,
        "normalise": {"mean": [0.5], "std": [0.25]},
    },
    "loss": {
        "kind": "weighted_sum",
        "terms": {"soft": {"kind": "soft_targets", "temperature": 4}, "hard": {"kind": "hard_labels"}},
        "weights": {"soft": 0.9, "hard": 0.1},
    },
    "transfer_set": {
        "kind": "chain",
        "parts": [{"kind": "omit_classes", "classes": [3]}, {"kind": "jitter", "pixels": 2}],
    },
    "optimizer": {"kind": "sgd", "learning_rate": 1e-3, "momentum": 0.9, "nesterov": True},
    "schedule": {"kind": "step", "epochs": 3, "decay": 0.5},
    "epochs": 25,
    "batch_size": 100,
    "clip_norm": 1.0,
    "precision": "fp32",
    "compile": "off",
    "teacher_cache": "on",
    "seed": 7,
    "num_workers": 2,
}


@pytest.mark.parametrize("settings", [SMALL, LARGE])
def test_a_run_goes_to_yaml_and_json_and_back(settings: dict[str, Any], tmp_path: Path) -> None:
    """Equal, with an equal hash, and equal text the second time."""
    config = RunConfig.from_dict(settings)
    for again in (RunConfig.from_yaml(config.to_yaml()), RunConfig.from_json(config.to_json())):
        assert again == config
        assert hash(again) == hash(config)
        assert again.to_yaml() == config.to_yaml()
    (tmp_path / "run.yaml").write_text(config.to_yaml())
    assert read_run_file(tmp_path / "run.yaml") == config


def test_what_is_left_out_has_a_default() -> None:
    """AdamW at a constant rate on everything."""
    config = RunConfig.from_dict(SMALL)
    assert (config.optimizer, config.schedule, config.transfer_set) == (AdamW(), Constant(), Full())
    assert (config.batch_size, config.clip_norm, config.seed, config.precision) == (None, None, 0, "auto")


def test_it_is_made_of_objects_too() -> None:
    """In Python, the policies are passed as they are."""
    config = RunConfig(
        teacher=EnsembleModel(
            members=(FunctionModel(function="a"), FunctionModel(function="b")), average="logits"
        ),
        student=FunctionModel(function="c"),
        data={"kind": "function", "function": "d"},
        loss=SoftTargets(temperature=3),
        epochs=1,
    )
    assert config.functions == ("a", "b", "c", "d")
    assert RunConfig.from_dict(LARGE).files == (Path("a.safetensors"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "no field 'epoch'.*'epochs'"),
        ({"epochs": 0}, "^epochs: .*greater than or equal to 1"),
        ({"student": {"kind": "torchvison", "name": "x"}}, "^student: .*'torchvison'.*'torchvision'"),
        ({"student": {"kind": "torchvision", "nam": "x"}}, "^student: .*'nam'.*'name'"),
        ({"student": {"kind": "torchvision"}}, "^student.name: "),
        ({"student": {"function": "net"}}, "^student: .*'kind'"),
        ({"student": "models:net"}, "^student: .*'kind'"),
        (
            {"student": {"kind": "function", "function": "net", "arguments": {"x": {1: 2}}}},
            "^student.arguments",
        ),
        ({"teacher": [{"kind": "function", "function": "net"}]}, "^teacher: .*kind: ensemble"),
        ({"teacher": {"kind": "ensemble", "average": "logits", "members": []}}, "^teacher.members: "),
        (
            {"teacher": {"kind": "ensemble", "average": "votes", "members": [SMALL["student"]]}},
            "^teacher.average: .*'probabilities' or 'logits'",
        ),
        ({"loss": {"kind": "soft_targets", "temperature": 0}}, "^loss.temperature: .*greater than 0"),
        (
            {"loss": {"kind": "weighted_sum", "terms": {"a": {"kind": "soft_targets", "temperatur": 4}}}},
            "^loss.terms.a: .*'temperature'",
        ),
        ({"transfer_set": {"kind": "omit_classes", "classes": [-1]}}, "^transfer_set.classes.0: "),
        ({"optimizer": {"kind": "adamW"}}, "^optimizer: .*'adamW'.*adamw"),
        ({"optimizer": {"kind": "sgd", "learning_rate": 1, "nesterov": True}}, "^optimizer: nesterov needs"),
        ({"schedule": {"kind": "exponential", "decay": 1.5}}, "^schedule.decay: "),
        ({"data": {"kind": "torchvision", "dataset": "MNIST", "channels": 2}}, "^data.channels: "),
        (
            {"data": {"kind": "torchvision", "dataset": "X", "normalise": {"mean": [0, 0], "std": [1]}}},
            "^data.normalise: mean and std",
        ),
        ({"precision": "fp8"}, "^precision: "),
        ({"compile": True}, "^compile: "),
        ({"seed": -1}, "^seed: "),
        ({"clip_norm": 0}, "^clip_norm: "),
        ({"batch_size": 0}, "^batch_size: "),
        ({"num_workers": -1}, "^num_workers: "),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(change: dict[str, Any], message: str) -> None:
    """One sentence, which begins with the path in the file."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        RunConfig.from_dict({**SMALL, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["teacher", "student", "data", "loss", "epochs"])
def test_what_has_no_default_must_be_there(field: str) -> None:
    """Even the teacher: a student without one is a choice to be written down."""
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        RunConfig.from_dict({name: value for name, value in SMALL.items() if name != field})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "- teacher",
        "teacher: [",
        "epochs: 1\nepochs: 2",
        "student: !!python/object/apply:os.system ['touch hacked']",
        "student: !!python/name:os.system",
        "a: " + "1" * 5000,
        "[" * 1500,
        "a: &a [*a]",
        "a: &b [1, 1]\n"
        + "\n".join(f"{c}: &{chr(ord(c) + 1)} [{', '.join([f'*{c}'] * 9)}]" for c in "bcdefghijk"),
    ],
)
def test_what_is_no_run_file_is_refused_by_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also YAML that is made to do harm: tags that run code, and aliases that stand for billions."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"run\.yaml"):
        read_run_file(file)
    assert not (tmp_path / "hacked").exists()


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """Absent, a folder, no text, far too large."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.yaml").write_text("# \n" * 400_000)
    for name in ("absent.yaml", "folder.yaml", "binary.yaml", "large.yaml"):
        with pytest.raises(ConfigurationError, match=name):
            read_run_file(tmp_path / name)


def test_an_error_names_file_and_place(tmp_path: Path) -> None:
    """Both, in this order."""
    file = tmp_path / "run.yaml"
    file.write_text(RunConfig.from_dict(SMALL).to_yaml().replace("epochs: 2", "epochs: two"))
    with pytest.raises(ConfigurationError, match=r"run\.yaml: epochs: .*'two'"):
        read_run_file(file)


def test_reading_a_run_file_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python file that the YAML might mean lies on the path, and would raise if it were imported."""
    (tmp_path / "sentinel_models.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "run.yaml"
    for function in ("sentinel_models.net", "sentinel_models:net", "sentinel_models"):
        settings = {**SMALL, "student": {"kind": "function", "function": function}}
        file.write_text(RunConfig.from_dict(settings).to_yaml())
        assert read_run_file(file).functions[0] == function
