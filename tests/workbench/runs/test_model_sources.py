"""Where models come from: torchvision, a function, several as one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn

from distillkit import Ensemble
from distillkit.errors import ConfigurationError, DataUnavailableError
from distillkit.workbench.runs.code_file import CodeFile, code_file
from distillkit.workbench.runs.model_sources import ModelSource


@pytest.fixture
def code(tmp_path: Path) -> Iterator[CodeFile | None]:
    """A code file with a model."""
    path = tmp_path / "some_models.py"
    path.write_text(
        "from torch import nn\n"
        "def net(units=2):\n    return nn.Linear(3, units)\n"
        "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(3, 2)\n"
        "def no_net():\n    return 'net'\n"
    )
    with code_file(path) as functions:
        yield functions


def build(code: CodeFile | None = None, **settings: Any) -> nn.Module:
    """The model of these settings."""
    return ModelSource.from_dict(settings).build(code)


def test_a_function_or_a_class_makes_the_model(code: CodeFile) -> None:
    """With its arguments."""
    assert build(code, kind="function", function="net", arguments={"units": 5}).out_features == 5
    assert isinstance(build(code, kind="function", function="Net"), nn.Linear)


def test_a_function_that_makes_no_module_is_refused(code: CodeFile) -> None:
    """With the type that it returned."""
    with pytest.raises(ConfigurationError, match=r"'no_net' must return a torch\.nn\.Module, got str"):
        build(code, kind="function", function="no_net")


def test_weights_are_read_into_what_the_function_made(code: CodeFile, tmp_path: Path) -> None:
    """And the error of wrong ones names the function."""
    net = nn.Linear(3, 2)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    settings = {"kind": "function", "function": "net", "weights_file": str(tmp_path / "net.pt")}
    made = build(code, **settings)
    assert torch.equal(made.weight, net.weight)
    with pytest.raises(ConfigurationError, match="not of the model of 'net'"):
        build(code, **settings, arguments={"units": 7})


def test_an_ensemble_is_made_of_its_members(code: CodeFile) -> None:
    """In order, with its average and the members' weights."""
    member = {"kind": "function", "function": "net"}
    made = build(code, kind="ensemble", members=[member, member], average="logits", weights=[1, 3])
    assert isinstance(made, Ensemble)
    assert (len(made.members), made.average, made.weights) == (2, "logits", (0.25, 0.75))
    assert build(code, kind="ensemble", members=[member], average="logits").weights == (1.0,)
    with pytest.raises(ConfigurationError, match="weights must be 2 numbers ≥ 0"):
        build(code, kind="ensemble", members=[member, member], average="logits", weights=[1])


def test_torchvisions_models_are_made_by_name() -> None:
    """With the number of classes and further arguments."""
    made = build(kind="torchvision", name="squeezenet1_1", num_classes=7, arguments={"dropout": 0.125})
    assert made.classifier[1].out_channels == 7
    assert made.classifier[0].p == 0.125


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "rsnet18"}, "'rsnet18'; did you mean .*resnet18"),
        ({"name": "qqqqqq"}, "there are alexnet"),
        ({"name": "fasterrcnn_resnet50_fpn"}, "no classification model"),
        ({"name": "resnet18", "weights": "BEST"}, "there are IMAGENET1K_V1, DEFAULT"),
        ({"name": "squeezenet1_1", "arguments": {"zork": 1}}, "zork"),
        ({"name": "squeezenet1_1", "weights_file": "absent.pt"}, r"absent\.pt"),
    ],
)
def test_what_torchvision_has_not_is_refused(settings: dict[str, Any], message: str) -> None:
    """With what there is."""
    with pytest.raises(ConfigurationError, match=message):
        build(kind="torchvision", **settings)


def test_weights_that_cannot_be_downloaded_are_data_that_are_not_available(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 3, and the way out."""

    def no_network(*arguments: object, **settings: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(DataUnavailableError, match=r"no network.*weights_file"):
        build(kind="torchvision", name="squeezenet1_1", weights="DEFAULT")


class _Harm:
    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._file,)


def test_code_in_torchvisions_cache_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Torchvision unpickles what lies in its cache; it is looked at before."""
    from torchvision.models import SqueezeNet1_1_Weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(pickle.dumps(_Harm(tmp_path / "trace"), protocol=2))
    with pytest.raises(ConfigurationError, match="more than tensors"):
        build(kind="torchvision", name="squeezenet1_1", weights="DEFAULT")
    assert not (tmp_path / "trace").exists()


def test_a_source_knows_what_it_needs() -> None:
    """Functions, files, and whether its weights are random."""
    random = ModelSource.from_dict({"kind": "torchvision", "name": "resnet18"})
    trained = ModelSource.from_dict({"kind": "torchvision", "name": "resnet18", "weights_file": "w.pt"})
    function = ModelSource.from_dict({"kind": "function", "function": "net", "weights_file": "v.pt"})
    ensemble = ModelSource.from_dict(
        {"kind": "ensemble", "members": [trained, function], "average": "logits"}
    )
    assert (random.untrained, trained.untrained, function.untrained, ensemble.untrained) == (
        True,
        False,
        False,
        False,
    )
    assert ModelSource.from_dict({"kind": "ensemble", "members": [random], "average": "logits"}).untrained
    assert ensemble.functions == ("net",)
    assert [str(file) for file in ensemble.files] == ["w.pt", "v.pt"]
