"""Models named on the command line: of torchvision, or as `FILE.py:FUNCTION`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from torch import nn

    from distillkit.workbench.runs.code_file import CodeFile
    from distillkit.workbench.runs.model_sources import ModelSource


class Named:
    """Builds what is named; each file is run once, and stays importable as long as the context lasts."""

    def __init__(self) -> None:
        self._files: dict[Path, CodeFile | None] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def model(self, name: str, weights_file: Path | None = None) -> nn.Module:
        """The model of that name, with a file's weights where one is named.

        Raises:
            ConfigurationError: There is none, or the weights are of another.
        """
        # imported here for a quick start
        from distillkit.workbench.runs.model_sources import FunctionModel, TorchvisionModel

        place = file_and_function(name)
        source: ModelSource
        if place is None:
            source, code = TorchvisionModel(name=name, weights_file=weights_file), None
        else:
            file, function = place
            source, code = FunctionModel(function=function, weights_file=weights_file), self._code(file)
        return source.build(code)

    def data(self, name: str) -> tuple[Any, Any]:
        """Training data and evaluation data: what the function of that name returns, the same each time.

        Raises:
            ConfigurationError: It is no function of a file, or returns something else.
        """
        # imported here for a quick start
        from distillkit.errors import ConfigurationError
        from distillkit.workbench.runs.data_sources import FunctionData
        from distillkit.workbench.runs.train import load_data

        place = file_and_function(name)
        if place is None:
            raise ConfigurationError(
                f"Data come from a function of a Python file, FILE.py:FUNCTION, got {name!r}."
            )
        file, function = place
        return load_data(FunctionData(function=function), self._code(file))

    def _code(self, file: Path) -> CodeFile | None:
        # imported here for a quick start
        from distillkit.workbench.runs.code_file import code_file

        if file not in self._files:
            self._files[file] = self._open.enter_context(code_file(file))
        return self._files[file]


def file_and_function(name: str) -> tuple[Path, str] | None:
    """The two of `FILE.py:FUNCTION`; `None` for the name of a model.

    Raises:
        ConfigurationError: It is a file without a function, or another path.
    """
    # imported here for a quick start
    from distillkit.errors import ConfigurationError

    file, colon, function = name.rpartition(":")
    if not colon:
        if name.endswith(".py"):
            raise ConfigurationError(f"Name the function of {name}: {name}:FUNCTION.")
        if Path(name).name != name:
            raise ConfigurationError(
                f"{name} names no function: write FILE.py:FUNCTION. A model may also be one of torchvision's "
                "by name; compare and export take the folder of a finished run, too."
            )
        return None
    return Path(file), function


def example(names: list[str], shape: list[int] | None, integers: int | None) -> Any:
    """Inputs of a shape for models of these names; torchvision's need none to be said.

    Raises:
        ConfigurationError: A model of a function is among them, and no shape was said.
    """
    # imported here for a quick start
    from distillkit.errors import ConfigurationError
    from distillkit.workbench.compare.inspection import example_batch

    if shape is None and any(file_and_function(name) for name in names):
        raise ConfigurationError(
            "Which inputs a function's model takes is not known: give the shape of one example, without the "
            "batch, --input 1 28 28, say."
        )
    return example_batch(shape or (3, 224, 224), integers_below=integers)
