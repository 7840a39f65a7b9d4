"""The forms in which a trained model leaves: its weights, a program of torch's, or an ONNX graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.workbench.export.answering import Answering
from distillkit.workbench.runs.weights import weights_bytes

Answers = Callable[[Mapping[str, Tensor]], Tensor]
"""The logits of a batch of inputs by name."""


class Format(ABC):
    """One form of file."""

    name: str
    """The name for people."""
    packages: tuple[str, ...] = ()
    """Packages that have to be installed besides."""

    def refuse_missing_packages(self) -> None:
        """Refuse to begin where a package that the form needs is not installed.

        Raises:
            ConfigurationError: Says which, and how to install them.
        """
        if missing := [package for package in self.packages if find_spec(package) is None]:
            raise ConfigurationError(
                f"Writing {self.name} needs {', '.join(missing)}, which "
                f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'distillkit[onnx]'."
            )

    @abstractmethod
    def write(self, model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool) -> bytes:
        """The content of the file."""

    @abstractmethod
    def read(self, content: bytes, model: Answering) -> Answers:
        """Return the answers of the file, read back without the weights of `model`."""


class Safetensors(Format):
    """The plain state dict."""

    name = "safetensors"

    def write(self, model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool) -> bytes:
        """The weights; any batch size goes."""
        return weights_bytes(model.model)

    def read(self, content: bytes, model: Answering) -> Answers:
        """The model's code with the weights of the file."""
        # imported here for a quick start
        from safetensors.torch import load

        weights = {f"model.{name}": value for name, value in load(content).items()}

        def answers(batch: Mapping[str, Tensor]) -> Tensor:
            # tied weights are each in the file
            said: Tensor = torch.func.functional_call(
                model, weights, *model.arguments(batch), tie_weights=False
            )
            return said

        return answers


class TorchExport(Format):
    """A program of `torch.export`."""

    name = "torch.export"

    def write(self, model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool) -> bytes:
        """The program, with its weights."""
        buffer = BytesIO()
        torch.export.save(program_of(model, batch, any_batch_size=any_batch_size), buffer)
        return buffer.getvalue()

    def read(self, content: bytes, model: Answering) -> Answers:
        """The program, loaded."""
        program = torch.export.load(BytesIO(content)).module()

        def answers(batch: Mapping[str, Tensor]) -> Tensor:
            given, named = model.arguments(batch)
            said: Tensor = program(*given, **named)
            return said

        return answers


class Onnx(Format):
    """An ONNX graph, in one file."""

    name = "ONNX"
    packages = ("onnx", "onnxscript", "onnxruntime")

    def write(self, model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool) -> bytes:
        """The graph, made from the program of `torch.export`."""
        graph: Any = torch.onnx.export(
            program_of(model, batch, any_batch_size=any_batch_size),
            dynamo=True,
            input_names=list(batch),
            output_names=["logits"],
            verbose=False,
        )
        content: bytes = graph.model_proto.SerializeToString()
        return content

    def read(self, content: bytes, model: Answering) -> Answers:
        """The graph, run by ONNX Runtime on the CPU."""
        # imported here: an extra
        from onnxruntime import InferenceSession

        session = InferenceSession(content, providers=["CPUExecutionProvider"])
        wanted = [one.name for one in session.get_inputs()]

        def answers(batch: Mapping[str, Tensor]) -> Tensor:
            return torch.from_numpy(
                session.run(["logits"], {name: batch[name].numpy() for name in wanted})[0]
            )

        return answers


FORMATS: dict[str, Format] = {".safetensors": Safetensors(), ".pt2": TorchExport(), ".onnx": Onnx()}
"""Every format by the ending of its file."""


def format_of(path: Path) -> Format:
    """The form that a file's ending asks for.

    Raises:
        ConfigurationError: None has that ending.
    """
    if path.suffix not in FORMATS:
        raise ConfigurationError(
            f"The ending of the file says what is written, {', '.join(FORMATS)}; got {path.name!r}."
        )
    return FORMATS[path.suffix]


def program_of(
    model: Answering, batch: Mapping[str, Tensor], *, any_batch_size: bool
) -> torch.export.ExportedProgram:
    """The model as a program of `torch.export`, whose first dimension may be free."""
    sizes = torch.export.ShapesCollection()
    if any_batch_size:
        for tensor in batch.values():
            sizes[tensor] = {0: torch.export.Dim.DYNAMIC}
    given, named = model.arguments(batch)
    with torch.no_grad():
        return torch.export.export(
            model, given, named, dynamic_shapes=sizes if any_batch_size else None, strict=False
        )
