"""Files that stand alone, and answer as the model does."""

from __future__ import annotations

import hashlib
import json
import random
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from distillkit import Translated
from distillkit.errors import ConfigurationError, ExportError
from distillkit.workbench.export import export_model, formats

WITHOUT_ONNX = (
    find_spec("onnxruntime") is None or find_spec("onnxscript") is None or find_spec("onnx") is None
)
ONNX = pytest.mark.skipif(WITHOUT_ONNX, reason="the extra onnx is not installed")
EVERY = [".safetensors", ".pt2", pytest.param(".onnx", marks=ONNX)]
PROGRAMS = [".pt2", pytest.param(".onnx", marks=ONNX)]


@pytest.fixture(autouse=True)
def seeded() -> Any:
    """The same weights and inputs in each test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network() -> nn.Module:
    """With statistics and dropout, which are other in training."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(4 * 36, 3)
    )
    model(torch.randn(8, 1, 8, 8) + 1)
    model[1].eval()  # a mixture of modes, which has to stay
    return model


def answer(path: Path, *given: Tensor, **named: Tensor) -> Tensor:
    """What a file says to those who have nothing of ours."""
    if path.suffix == ".pt2":
        with torch.no_grad():
            said: Tensor = torch.export.load(path).module()(*given, **named)
        return said
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = dict(zip([one.name for one in session.get_inputs()], given, strict=False)) | named
    return torch.from_numpy(session.run(None, {name: one.numpy() for name, one in inputs.items()})[0])


@pytest.mark.parametrize("suffix", EVERY)
def test_a_file_answers_as_the_model_in_evaluation_mode(tmp_path: Path, suffix: str) -> None:
    """Also a batch of another size; beside it stands what it is, and the model is as it was."""
    model, path = network(), tmp_path / f"student{suffix}"
    modes = [part.training for part in model.modules()]
    before = {name: one.clone() for name, one in model.state_dict().items()}
    exported = export_model(model, torch.randn(4, 1, 8, 8), path, source={"model": "a test"})
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())

    inputs = torch.randn(7, 1, 8, 8)
    if suffix == ".safetensors":
        assert set(load_file(path)) == set(model.state_dict())
        again = network()
        again.load_state_dict(load_file(path))
        found = again.eval()(inputs)
    else:
        found = answer(path, inputs)
    torch.testing.assert_close(found, model.eval()(inputs))

    told = json.loads(exported.description_path.read_text())
    assert exported.description_path == tmp_path / f"student{suffix}.json"
    assert told == exported.description
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["source"] == {"model": "a test"}
    assert told["parameters"] == sum(one.numel() for one in model.parameters())
    assert told["inputs"] == {"input": {"shape": ["batch", 1, 8, 8], "dtype": "float32"}}
    assert told["output"] == {"logits": {"shape": ["batch", 3], "dtype": "float32"}}
    assert told["checked"]["batch_sizes"] == [4, 1, 5]
    assert 0 <= told["checked"]["largest_difference"] < 1e-5
    assert told["versions"]["torch"] == torch.__version__
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, f"{path.name}.json"]


class Language(nn.Module):
    """Takes inputs by name, gives an object with logits, and has a weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False)
        self.head.weight = self.words.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """Logits of each position."""
        return SimpleNamespace(logits=self.head(self.words(input_ids) * attention_mask.unsqueeze(-1)), more=3)


@pytest.mark.parametrize("suffix", EVERY)
def test_inputs_by_name(tmp_path: Path, suffix: str) -> None:
    """They keep their names; of the answer the logits are left; tied weights do not matter."""
    model = Language()
    inputs = {"input_ids": torch.randint(20, (3, 5)), "attention_mask": torch.ones(3, 5, dtype=torch.long)}
    path = tmp_path / f"language{suffix}"
    told = export_model(model, inputs, path).description
    assert list(told["inputs"]) == ["input_ids", "attention_mask"]
    assert told["output"]["logits"]["shape"] == ["batch", 5, 20]
    assert told["inputs"]["input_ids"]["dtype"] == "int64"
    if suffix != ".safetensors":
        other = {name: one[:2] for name, one in inputs.items()}
        torch.testing.assert_close(answer(path, **other), model(**other).logits)


@pytest.mark.parametrize("suffix", PROGRAMS)
def test_a_translated_model(tmp_path: Path, suffix: str) -> None:
    """What stands around a model is in the file."""
    model = Translated(
        nn.Linear(4, 6), inputs=lambda seen: 2 * seen - 1, logits=lambda said: said[..., [4, 0]]
    )
    inputs, path = torch.randn(2, 4), tmp_path / f"translated{suffix}"
    export_model(model, inputs, path)
    torch.testing.assert_close(answer(path, inputs), model(inputs))


class OneSize(nn.Module):
    """Its code counts on three examples."""

    def forward(self, x: Tensor) -> Tensor:
        """Each less the mean of all."""
        return x - x.reshape(3, -1).mean(dim=0)


@pytest.mark.parametrize("suffix", PROGRAMS)
def test_one_batch_size_alone(tmp_path: Path, suffix: str) -> None:
    """Where the code counts on one; without saying so that is an error."""
    path = tmp_path / f"fixed{suffix}"
    with pytest.raises(ConfigurationError, match=r"cannot answer a batch of input \[1, 4\]"):
        export_model(OneSize(), torch.randn(3, 4), path)
    told = export_model(OneSize(), torch.randn(3, 4), path, any_batch_size=False).description
    assert told["inputs"]["input"]["shape"] == [3, 4]
    assert told["checked"]["batch_sizes"] == [3]


class Branching(nn.Module):
    """Goes another way by the size of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Doubled in large batches."""
        return 2 * x if len(x) > 3 else x


class Drawing(nn.Module):
    """Draws in Python, so that a program keeps what was drawn once."""

    def forward(self, x: Tensor) -> Tensor:
        """Scaled by chance."""
        return x * random.uniform(1, 2)


def test_a_size_that_the_code_looks_at_is_refused(tmp_path: Path) -> None:
    """Torch cannot follow it for any size."""
    with pytest.raises(ConfigurationError, match=r"cannot be written as torch.export \(.*--fixed-batch"):
        export_model(Branching(), torch.randn(4, 3), tmp_path / "branching.pt2")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt2"])
def test_a_file_that_answers_otherwise_is_not_written(tmp_path: Path, suffix: str) -> None:
    """Nor its description; what was there stays."""
    path = tmp_path / f"drawing{suffix}"
    path.write_text("kept")
    model = nn.Sequential(nn.Linear(3, 2), Drawing())
    with pytest.raises(ExportError, match="otherwise than the model: logits differ by up to"):
        export_model(model, torch.randn(4, 3), path, overwrite=True)
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]
    assert ExportError("").exit_code == 1


def test_a_file_that_is_there_is_replaced_only_if_asked(tmp_path: Path) -> None:
    """So is a description of another."""
    model, inputs = nn.Linear(3, 2), torch.randn(2, 3)
    path = tmp_path / "student.safetensors"
    first = export_model(model, inputs, path)
    for gone in (None, path):
        if gone is not None:
            gone.unlink()
        with pytest.raises(ConfigurationError, match="is there already: name another file, or overwrite it"):
            export_model(model, inputs, path)
    again = export_model(model, inputs, path, overwrite=True)
    assert again.description == first.description
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(ConfigurationError, match="is no file"):
        export_model(model, inputs, tmp_path / "folder.pt2", overwrite=True)


def test_missing_packages_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs them, before anything is done."""
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(
        ConfigurationError,
        match=r"ONNX needs onnxruntime, which is not installed: pip install 'distillkit\[onnx\]'",
    ):
        export_model(nn.Linear(3, 2), torch.randn(2, 3), tmp_path / "student.onnx")


def broken() -> nn.Module:
    """With a weight that is not finite."""
    model = nn.Linear(3, 2)
    nn.init.constant_(model.bias, float("nan"))
    return model


def compiled() -> nn.Module:
    """Compiled as a whole."""
    model = nn.Linear(3, 2)
    model.compile()
    return model


@pytest.mark.parametrize(
    ("model", "inputs", "name", "sentence"),
    [
        (nn.Linear(3, 2), torch.randn(2, 3), "student.pt", r"\.safetensors, \.pt2, \.onnx; got 'student.pt'"),
        (nn.Linear(3, 2), torch.randn(2, 4), "student.pt2", r"cannot answer a batch of input \[2, 4\]"),
        (nn.Linear(3, 2), torch.randn(1, 3), "student.pt2", "at least two examples"),
        (nn.Linear(3, 2), torch.tensor(1.0), "student.pt2", "one row an example"),
        (nn.Linear(3, 2), {"a": torch.ones(2), "b": torch.ones(3)}, "student.pt2", "equally many of each"),
        (nn.Linear(3, 2), {}, "student.pt2", "tensors by name"),
        (nn.LSTM(3, 2), {"input": [1, 2]}, "student.pt2", "tensors by name"),
        (broken(), torch.randn(2, 3), "student.pt2", "not all finite"),
        (compiled(), torch.randn(2, 3), "student.pt2", "compiled model cannot be exported"),
        (nn.Linear(3, 2, device="meta"), torch.randn(2, 3), "student.pt2", "this one is on meta"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    tmp_path: Path, model: nn.Module, inputs: Any, name: str, sentence: str
) -> None:
    """Nothing is written."""
    with pytest.raises(ConfigurationError, match=sentence):
        export_model(model, inputs, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
