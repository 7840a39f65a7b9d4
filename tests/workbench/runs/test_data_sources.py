"""Where data come from: torchvision, a function."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from distillkit.errors import ConfigurationError, DataUnavailableError
from distillkit.workbench.runs.code_file import CodeFile, code_file
from distillkit.workbench.runs.data_sources import DataSource
from distillkit.workbench.runs.downloads import short_timeout


@pytest.fixture
def code(tmp_path: Path) -> Iterator[CodeFile | None]:
    """A code file with data."""
    path = tmp_path / "some_data.py"
    path.write_text(
        "import torch\n"
        "def pair(n):\n    return (torch.zeros(n, 2), torch.zeros(n)), [torch.ones(1)]\n"
        "def three():\n    return 1, 2, 3\n"
        "def one():\n    return torch.zeros(3)\n"
    )
    with code_file(path) as functions:
        yield functions


def fake(**settings: Any) -> Any:
    """Torchvision's made-up images: 12 of 3 x 8 x 6, of 5 classes."""
    arguments = {"size": 12, "image_size": [3, 8, 6], "num_classes": 5}
    return DataSource.from_dict(
        {"kind": "torchvision", "dataset": "FakeData", "arguments": arguments, **settings}
    ).load(None)


def test_a_function_gives_both_parts(code: CodeFile) -> None:
    """As it returns them."""
    train, evaluation = DataSource.from_dict(
        {"kind": "function", "function": "pair", "arguments": {"n": 4}}
    ).load(code)
    assert train[0].shape == (4, 2)
    assert len(evaluation) == 1


@pytest.mark.parametrize(("function", "came"), [("three", "tuple of 3"), ("one", "Tensor")])
def test_a_function_that_gives_something_else_is_refused(code: CodeFile, function: str, came: str) -> None:
    """With what it gave."""
    with pytest.raises(ConfigurationError, match=rf"\(train, evaluation\), got {came}"):
        DataSource.from_dict({"kind": "function", "function": function}).load(code)


def test_torchvisions_images_become_tensors_that_are_the_same_each_time() -> None:
    """Images in [0, 1], labels as whole numbers; the two parts differ."""
    (images, labels), (others, _) = fake()
    assert (images.shape, images.dtype, labels.dtype) == ((12, 3, 8, 6), torch.float32, torch.int64)
    assert 0 <= float(images.min()) < float(images.max()) <= 1
    assert set(labels.tolist()) <= set(range(5))
    assert not torch.equal(images, others)
    assert torch.equal(images, fake()[0][0])


def test_images_are_resized_recoloured_and_normalised() -> None:
    """In this order."""
    plain = fake(image_size=4, channels=1)[0][0]
    assert plain.shape == (12, 1, 4, 4)
    normalised = fake(image_size=4, channels=1, normalise={"mean": [0.5], "std": [0.25]})[0][0]
    torch.testing.assert_close(normalised, (plain - 0.5) / 0.25)
    grey = {"size": 2, "image_size": [1, 8, 8], "num_classes": 2}
    coloured = fake(arguments=grey, channels=3)[0][0]
    assert coloured.shape == (2, 3, 8, 8)
    assert torch.equal(coloured[:, 0], coloured[:, 2])


def test_data_can_stay_on_disk() -> None:
    """Then they are data sets, whose items are what memory would hold."""
    kept, read = fake()[0], fake(in_memory="off")[0]
    images, labels = next(iter(DataLoader(read, batch_size=12)))
    assert torch.equal(images, kept[0])
    assert torch.equal(labels, kept[1])


def test_large_data_are_not_kept_in_memory_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit they stay data sets, unless memory is asked for."""
    monkeypatch.setattr("distillkit.workbench.runs.data_sources._IN_MEMORY_BYTES", 2 * 12 * 3 * 8 * 6 * 4 - 1)
    assert not isinstance(fake()[0], tuple)
    assert isinstance(fake(in_memory="on")[0], tuple)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "MNITS"}, "'MNITS'.*'MNIST'"),
        ({"dataset": "CocoDetection"}, "no data set 'CocoDetection'.*kind: function"),
        ({"dataset": "VisionDataset"}, "no data set"),
        ({"arguments": {"sze": 3}}, "sze"),
        ({"normalise": {"mean": [0, 0], "std": [1, 1]}}, "channels and normalise"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    """With what there is, or what to look at."""
    with pytest.raises(ConfigurationError, match=message):
        fake(**settings)


def test_data_that_are_not_there_are_data_that_are_not_available(tmp_path: Path) -> None:
    """Exit code 3; nothing is downloaded unless the file says so."""
    source = DataSource.from_dict({"kind": "torchvision", "dataset": "CIFAR10", "root": str(tmp_path)})
    with pytest.raises(DataUnavailableError, match="download: true"):
        source.load(None)
    assert not list(tmp_path.iterdir())


def test_a_download_that_fails_is_data_that_are_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason."""

    def no_network(*arguments: object, **settings: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    settings = {"kind": "torchvision", "dataset": "CIFAR10", "root": str(tmp_path), "download": True}
    with pytest.raises(DataUnavailableError, match="no network"):
        DataSource.from_dict(settings).load(None)


def test_images_of_several_sizes_ask_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors hold one size only."""

    class Uneven:
        def __init__(self, **settings: Any) -> None:
            pass

        def __len__(self) -> int:
            return 2

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            return torch.zeros(1, 4 + number, 4), 0

    monkeypatch.setattr("torchvision.datasets.MNIST", Uneven)
    with pytest.raises(ConfigurationError, match="set image_size"):
        DataSource.from_dict({"kind": "torchvision", "dataset": "MNIST"}).load(None)


def test_every_data_set_named_here_is_one_of_torchvision() -> None:
    """And is asked for its parts by words that its class knows."""
    import inspect

    from torchvision import datasets

    from distillkit.workbench.runs.data_sources import _PARTS

    for name, parts in _PARTS.items():
        found = getattr(datasets, name)
        known = {
            parameter
            for one in inspect.getmro(found)
            if "__init__" in vars(one)
            for parameter in inspect.signature(one.__init__).parameters
        }
        for part in parts:
            assert part.keys() <= known, name
        assert name == "FakeData" or "root" in known
        assert name in {"FakeData", "ImageNet"} or "download" in known, name


def test_a_download_has_a_limit_and_keeps_stdout_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """While it lasts, and no longer."""
    before = socket.getdefaulttimeout()
    with short_timeout():
        limit = socket.getdefaulttimeout()
        print("Downloading ...")
    assert limit is not None
    assert limit <= 30
    assert socket.getdefaulttimeout() == before
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Downloading ...\n")
