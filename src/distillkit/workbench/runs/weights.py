"""Weights from a file and back, without running what a file may hide."""

from __future__ import annotations

import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError


def read_weights(model: nn.Module, file: Path | None, who: str) -> None:
    """Put a file's weights into a model; `None` leaves it as it is.

    Args:
        model: Gets the weights.
        file: A plain state dict: safetensors, or what `torch.save(model.state_dict(), ...)` wrote, which is
            read with `weights_only=True`, so no code in it can run.
        who: Begins the sentence of the error.

    Raises:
        ConfigurationError: The file cannot be read, holds something else, or is of another model.
    """
    if file is None:
        return
    weights = _read(file.expanduser())
    expected = model.state_dict()
    problems = [
        _list("lacks", expected.keys() - weights.keys()),
        _list("has, and the model has not,", weights.keys() - expected.keys()),
        _list(
            "has in another shape",
            {
                f"{name} {list(weights[name].shape)} for {list(expected[name].shape)}"
                for name in expected.keys() & weights.keys()
                if isinstance(expected[name], Tensor) and weights[name].shape != expected[name].shape
            },
        ),
    ]
    if any(problems):
        raise ConfigurationError(
            f"The weights in {file} are not of {who}: the file "
            f"{'; it '.join(problem for problem in problems if problem)}."
        )
    model.load_state_dict(weights)


def weights_bytes(model: nn.Module) -> bytes:
    """A model's state dict as a safetensors file.

    Raises:
        ConfigurationError: As `check_writable_weights`.
    """
    # imported here for a quick start
    from safetensors.torch import save

    check_writable_weights(model)
    # copies, since safetensors refuses tensors that share their memory (tied weights)
    return save(
        {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
    )


def check_writable_weights(model: nn.Module) -> None:
    """Refuse a model whose state is more than tensors, which no safetensors file can hold.

    Raises:
        ConfigurationError: Names what is no tensor.
    """
    others = [name for name, value in model.state_dict().items() if not isinstance(value, Tensor)]
    if others:
        raise ConfigurationError(
            f"The student's state holds more than tensors ({', '.join(others[:3])}), and student.safetensors "
            "cannot: "
            "take get_extra_state() off it."
        )


def _read(file: Path) -> dict[str, Tensor]:
    # imported here for a quick start
    from safetensors.torch import load_file

    if not file.is_file():
        raise ConfigurationError(
            f"There is no weights_file {file}: paths are taken from the folder in which the command runs."
        )
    try:
        content: Any = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except pickle.UnpicklingError:
        raise ConfigurationError(
            f"{file} holds more than tensors, or is no weights file at all, so it was not read (code could "
            "hide in it): write "
            "it with torch.save(model.state_dict(), ...) or safetensors."
        ) from None
    except Exception as error:  # a damaged file can surprise its reader in any way
        raise ConfigurationError(
            f"{file} cannot be read as weights ({_first_line(error)}): is it whole?"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        keys = f" with the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) else ""
        raise ConfigurationError(
            f"{file} must hold a plain state dict (names to tensors), got {type(content).__name__}{keys}: "
            "write "
            "model.state_dict() alone."
        )
    return content


def _list(verb: str, names: Collection[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"{verb} {', '.join(shown[:3])}{more}" if shown else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
