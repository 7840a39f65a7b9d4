"""Weights: read without running code, refused where they are another model's, written as they are."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save_file
from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.workbench.runs.weights import check_writable_weights, read_weights, weights_bytes


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_state_dict_is_read(tmp_path: Path, suffix: str) -> None:
    """In both forms, to the bit."""
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    file = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save(one.state_dict(), file)
    else:
        save_file(one.state_dict(), file)
    read_weights(other, file, "the net")
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(one.bias, other.bias)


class Harm:
    """Unpickling it writes a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._file,)


@pytest.mark.parametrize("how", ["torch", "pickle", "inside"])
def test_code_in_a_weights_file_does_not_run(tmp_path: Path, how: str) -> None:
    """A pickle that would do something when it is opened is refused, and does nothing."""
    file, trace = tmp_path / "weights.pt", tmp_path / "trace"
    if how == "pickle":
        file.write_bytes(pickle.dumps(Harm(trace), protocol=2))
    else:
        torch.save(Harm(trace) if how == "torch" else {"weight": Harm(trace)}, file)
    with pytest.raises(ConfigurationError, match="more than tensors"):
        read_weights(nn.Linear(3, 2), file, "the net")
    assert not trace.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    """What `torch.save(model)` writes is a pickle of code."""
    torch.save(nn.Linear(3, 2), tmp_path / "model.pt")
    with pytest.raises(ConfigurationError, match="state_dict"):
        read_weights(nn.Linear(3, 2), tmp_path / "model.pt", "the net")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    """What is missing, foreign and of another shape is named."""
    save_file({"weight": torch.zeros(4, 3), "gain": torch.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(ConfigurationError) as caught:
        read_weights(nn.Linear(3, 2), tmp_path / "w.safetensors", "the net")
    sentence = str(caught.value)
    for part in ("the net", "lacks bias", "gain", "weight [4, 3] for [2, 3]"):
        assert part in sentence


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", b"nonsense"),
        ("w.pt", b""),
        ("w.pt", b"PK\x03\x04 torn off"),
        ("w.pt", b"nonsense"),
        ("w.pt", b"\x80\x02}q\x00X"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    """Which names it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        read_weights(nn.Linear(3, 2), tmp_path / name, "the net")


def test_a_checkpoint_that_is_more_than_a_state_dict_is_refused(tmp_path: Path) -> None:
    """With its keys, so that a person sees where the weights are."""
    torch.save({"model": nn.Linear(3, 2).state_dict(), "epoch": 3}, tmp_path / "c.pt")
    with pytest.raises(ConfigurationError, match="model, epoch"):
        read_weights(nn.Linear(3, 2), tmp_path / "c.pt", "the net")


def test_no_file_is_no_change_and_an_absent_one_an_error(tmp_path: Path) -> None:
    """`null` in a run file means the weights that the model has."""
    net = nn.Linear(3, 2)
    before = net.weight.clone()
    read_weights(net, None, "the net")
    assert torch.equal(net.weight, before)
    with pytest.raises(ConfigurationError, match="no weights_file"):
        read_weights(net, tmp_path / "absent.pt", "the net")


def test_tied_weights_are_written(tmp_path: Path) -> None:
    """The format knows no shared memory; the file loads into a model that ties them again."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    (tmp_path / "w.safetensors").write_bytes(weights_bytes(net))
    assert load_file(tmp_path / "w.safetensors").keys() == net.state_dict().keys()
    read_weights(net, tmp_path / "w.safetensors", "the net")


def test_buffers_and_every_dtype_are_kept() -> None:
    """The state dict as it is, also of batch norm's counters."""
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3).half())
    written = load(weights_bytes(net))
    for name, value in net.state_dict().items():
        assert written[name].dtype == value.dtype
        assert torch.equal(written[name], value)


class _WithExtraState(nn.Linear):
    def get_extra_state(self) -> str:
        return "more"

    def set_extra_state(self, state: Any) -> None:
        pass


def test_state_that_is_no_tensor_is_refused_before_it_matters() -> None:
    """It could not be written at the end."""
    with pytest.raises(ConfigurationError, match="_extra_state"):
        check_writable_weights(_WithExtraState(2, 2))
