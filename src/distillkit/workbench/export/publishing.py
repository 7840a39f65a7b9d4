"""A trained model as a file that stands alone, published only if it answers as the model does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.engine.forward.modes import mode
from distillkit.engine.torch_internals import is_compiled
from distillkit.errors import ConfigurationError
from distillkit.workbench.export.answering import ONE_INPUT, Answering
from distillkit.workbench.export.checking import asked, largest_difference, told
from distillkit.workbench.export.formats import Format, format_of
from distillkit.workbench.results.atomic import write_atomically, write_json
from distillkit.workbench.results.writable import check_writable


@dataclass(frozen=True)
class Exported:
    """A file that was exported."""

    path: Path
    description_path: Path
    """The JSON file beside it, which holds `description`."""
    description: dict[str, Any]
    """The description: source, inputs and output, versions, and how the file was checked."""


def export_model(
    model: nn.Module,
    inputs: Tensor | Mapping[str, Tensor],
    path: Path,
    *,
    source: Mapping[str, Any] | None = None,
    any_batch_size: bool = True,
    overwrite: bool = False,
) -> Exported:
    """Write a model as safetensors, `torch.export` or ONNX, and beside it a JSON file that describes it.

    The model is exported in evaluation mode, with its logits as the one output. The content is read back
    and asked before it is published: the batch given, and unless its size is fixed also one example alone and
    one example more. Where an answer is not the model's, nothing is written. The model stays as it was.

    Args:
        model: Any module on the CPU.
        inputs: A batch of two examples or more, as the model takes it: one tensor, or tensors by name. Real
            ones check more than random ones. But for the batch, the file takes inputs of these sizes.
        path: `.safetensors`, `.pt2` or `.onnx` (extra `onnx`).
        source: Where the model comes from, as plain data for the description.
        any_batch_size: Whether the file takes batches of any size, or of the given one alone.
        overwrite: Whether a file that is there may be replaced.

    Returns:
        What was written.

    Raises:
        ConfigurationError: The model, the inputs or the path cannot be used, or packages are missing.
        ExportError: What was made does not answer as the model does.

    Example:
        >>> import tempfile
        >>> student = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> path = Path(tempfile.mkdtemp()) / "student.safetensors"
        >>> exported = export_model(student, torch.randn(2, 4), path)
        >>> exported.description["checked"]["batch_sizes"]
        [2, 1, 3]
        >>> exported.description["inputs"]
        {'input': {'shape': ['batch', 4], 'dtype': 'float32'}}
    """
    form = format_of(path)
    form.refuse_missing_packages()
    description_path = path.with_name(f"{path.name}.json")
    _refuse_what_is_there(path, description_path, overwrite=overwrite)
    check_writable(path)
    _refuse_strange_models(model)
    batch = _by_name(inputs)
    answering = Answering(model, None if isinstance(inputs, Tensor) else tuple(batch))
    sizes = _batch_sizes(len(next(iter(batch.values()))), any_batch_size=any_batch_size)
    with mode(model, training=False), torch.no_grad():
        batches = [_of_size(batch, size) for size in sizes]
        expected = [asked(answering, one) for one in batches]
        content = _written(form, answering, batch, any_batch_size=any_batch_size)
        difference = largest_difference(form, content, answering, batches, expected)
    largest = max(float(one.abs().max()) for one in expected)
    description = {
        "file": path.name,
        "format": form.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "source": dict(source or {}),
        "model": type(model).__name__,
        "parameters": sum(one.numel() for one in model.parameters()),
        "inputs": {name: _described(one, any_batch_size) for name, one in batch.items()},
        "output": {"logits": _described(expected[0], any_batch_size)},
        "checked": {
            "batch_sizes": sizes,
            "largest_difference": difference,
            "largest_logit": largest,
        },
        "versions": {
            "torch": str(torch.__version__),
            **{name: version(name) for name in ("distillkit", *form.packages)},
        },
    }
    write_atomically(path, content)
    write_json(description_path, description)
    return Exported(path, description_path, description)


def _refuse_what_is_there(*paths: Path, overwrite: bool) -> None:
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise ConfigurationError(
            f"{there[0]} is there already: name another file, or overwrite it (--overwrite)."
        )
    if strange := [path for path in there if not path.is_file()]:
        raise ConfigurationError(f"{strange[0]} is no file, so it is not replaced: name another.")


def _refuse_strange_models(model: nn.Module) -> None:
    if is_compiled(model):
        raise ConfigurationError(
            "A compiled model cannot be exported: give the module as it was before torch.compile()."
        )
    places = {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} - {"cpu"}
    if places:
        raise ConfigurationError(
            f"A model is exported from the CPU, and this one is on {', '.join(sorted(places))}: move it with "
            ".to('cpu')."
        )


def _by_name(inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    given = {ONE_INPUT: inputs} if isinstance(inputs, Tensor) else dict(inputs)
    fit = all(isinstance(one, Tensor) and one.dim() > 0 for one in given.values())
    if not given or not fit or len({len(one) for one in given.values()}) != 1:
        raise ConfigurationError(
            "Inputs must be a tensor, or tensors by name, with one row an example, equally many of each."
        )
    if len(next(iter(given.values()))) < 2:
        raise ConfigurationError("A batch of at least two examples is needed to see which size is the batch.")
    # each a tensor of its own, since sizes are told apart by tensor
    return {name: one.detach().cpu().clone() for name, one in given.items()}


def _batch_sizes(given: int, *, any_batch_size: bool) -> list[int]:
    return [given, 1, given + 1] if any_batch_size else [given]


def _of_size(batch: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    return {name: one[torch.arange(size) % len(one)] for name, one in batch.items()}


def _written(form: Format, model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool) -> bytes:
    try:
        return form.write(model, batch, any_batch_size=any_batch_size)
    except ConfigurationError:
        raise
    except Exception as error:  # torch raises many kinds
        hint = (
            "; where its code needs one batch size, export that alone (any_batch_size=False, --fixed-batch)"
            if any_batch_size
            else ""
        )
        raise ConfigurationError(
            f"The model cannot be written as {form.name} ({told(error)}): its forward pass must be one that "
            f"torch.export can follow{hint}."
        ) from error


def _described(tensor: Tensor, any_batch_size: bool) -> dict[str, Any]:
    shape = ["batch" if any_batch_size else len(tensor), *tensor.shape[1:]]
    return {"shape": shape, "dtype": str(tensor.dtype).removeprefix("torch.")}
