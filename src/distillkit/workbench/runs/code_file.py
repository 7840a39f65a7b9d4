"""The Python file that a person trusts by naming it: its functions, for run files to call by name."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from distillkit.errors import ConfigurationError, DistillkitError


class CodeFile:
    """The functions that a run file may call: the public ones that are defined in one Python file.

    What the file merely imports is not to be had.
    """

    def __init__(self, path: Path, module: ModuleType) -> None:
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._functions: dict[str, Callable[..., Any]] = {
            name: value
            for name, value in vars(module).items()
            if not name.startswith("_")
            and callable(value)
            # a run file from elsewhere must not reach os.system because the code happens to import it
            and getattr(value, "__module__", None) == module.__name__
        }

    def function(self, name: str) -> Callable[..., Any]:
        """The function of that name.

        Raises:
            ConfigurationError: The file does not define it; lists what it defines.
        """
        if name not in self._functions:
            close = get_close_matches(name, self._functions, n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            defined = ", ".join(self._functions) or "none at all"
            raise ConfigurationError(
                f"{self.path.name} defines no function {name!r}{meant}; it defines {defined}."
            )
        return self._functions[name]

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Call a function with these arguments and return its result.

        Raises:
            ConfigurationError: There is no such function, or it raised; says what and in which line.
        """
        function = self.function(name)
        try:
            return function(**arguments)
        except DistillkitError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"The function {name!r} of {self.path.name} raised {_told(error, self.path)}; mend it, or "
                "the arguments that a run file has for it."
            ) from error


def function_of(code: CodeFile | None, name: str) -> Callable[..., Any]:
    """The function of that name in the code file.

    Raises:
        ConfigurationError: There is no such function, or no code file at all.
    """
    return _named(code, name).function(name)


def call_function(code: CodeFile | None, name: str, arguments: Mapping[str, Any]) -> Any:
    """Call a function of the code file; raises as `function_of` and `CodeFile.call`."""
    return _named(code, name).call(name, arguments)


@contextmanager
def code_file(path: Path | None) -> Iterator[CodeFile | None]:
    """Run a Python file as an import does, and give its functions; `None` gives `None`.

    While the context lasts the file is importable by its name and its folder is on the path, so that it can
    import its neighbours and its classes reach the processes that read data.

    Raises:
        ConfigurationError: It is no Python file, cannot be imported, or bears the name of another module.
    """
    if path is None:
        yield None
        return
    path = path.expanduser().resolve()
    name = _module_name(path)
    folder = str(path.parent)
    sys.path.append(folder)
    try:
        yield CodeFile(path, _imported(path, name))
    finally:
        sys.modules.pop(name, None)
        sys.path.remove(folder)


def _module_name(path: Path) -> str:
    if path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(f"Code comes from a Python file (NAME.py), and {path} is none.")
    name = path.stem
    if "." in name:
        raise ConfigurationError(f"{path.name} has a dot in its name, so Python cannot import it: rename it.")
    other = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if other is None else other.__spec__
    origin = None if spec is None else spec.origin
    if (other is not None or spec is not None) and (origin is None or Path(origin).resolve() != path):
        raise ConfigurationError(
            f"{path.name} bears the name of another module ({name}) and would hide it: rename it."
        )
    return name


def _imported(path: Path, name: str) -> ModuleType:
    loader = SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"{path.name} could not be imported: it raised {_told(error, path)}."
        ) from error
    return module


def _named(code: CodeFile | None, name: str) -> CodeFile:
    if code is None:
        raise ConfigurationError(
            f"The run file asks for the function {name!r}, and code runs only where you name its file: add "
            "--code FILE.py with the file that defines it."
        )
    return code


def _told(error: Exception, path: Path) -> str:
    """An error and the line of the file that it came from, in one line."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    message = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    return f"{type(error).__name__}{f' in line {line}' if line else ''}{f': {message}' if message else ''}"
