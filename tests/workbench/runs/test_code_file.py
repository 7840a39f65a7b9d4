"""The file of `--code`: run because it was named, and only what it defines can be called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distillkit.errors import ConfigurationError, DataUnavailableError
from distillkit.workbench.runs.code_file import call_function, code_file, function_of


def write(folder: Path, text: str, name: str = "my_models.py") -> Path:
    """A code file."""
    path = folder / name
    path.write_text(text)
    return path


def test_what_the_file_defines_can_be_called(tmp_path: Path) -> None:
    """Functions and classes, with arguments by name."""
    path = write(tmp_path, "def double(x):\n    return 2 * x\nclass Net:\n    pass\n")
    with code_file(path) as code:
        assert call_function(code, "double", {"x": 4}) == 8
        assert type(call_function(code, "Net", {})).__name__ == "Net"
        assert function_of(code, "double")(x=1) == 2


@pytest.mark.parametrize("name", ["system", "os", "_hidden", "number", "partial", "os.system", "__import__"])
def test_nothing_else_can_be_called(tmp_path: Path, name: str) -> None:
    """Neither what it imports, nor what is private, nor what is no function; the error lists the rest."""
    path = write(
        tmp_path,
        "import os\nfrom os import system\nfrom functools import partial\nnumber = 3\n"
        "def _hidden(): pass\ndef public(): pass\n",
    )
    with code_file(path) as code, pytest.raises(ConfigurationError, match="it defines public"):
        function_of(code, name)


def test_a_misspelt_function_is_met_with_what_was_meant(tmp_path: Path) -> None:
    """One close name is suggested."""
    with (
        code_file(write(tmp_path, "def student(): pass\n")) as code,
        pytest.raises(ConfigurationError, match="did you mean 'student'"),
    ):
        function_of(code, "studnet")


def test_without_a_code_file_the_error_says_to_name_it() -> None:
    """The way out is in the sentence."""
    with code_file(None) as code, pytest.raises(ConfigurationError, match="add --code"):
        function_of(code, "student")


def test_the_file_can_import_its_neighbour_and_leaves_no_trace(tmp_path: Path) -> None:
    """Path and modules are as they were, also after an error."""
    write(tmp_path, "def value():\n    return 5\n", "my_neighbour.py")
    path = write(tmp_path, "import my_neighbour\ndef five():\n    return my_neighbour.value()\n")
    before = list(sys.path)
    with code_file(path) as code:
        assert "my_models" in sys.modules
        assert call_function(code, "five", {}) == 5
    sys.modules.pop("my_neighbour")
    write(tmp_path, "raise KeyError('no')\n", "my_broken.py")
    with pytest.raises(ConfigurationError), code_file(tmp_path / "my_broken.py"):
        pass
    assert sys.path == before
    assert not {"my_models", "my_broken"} & sys.modules.keys()


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """One after the other, each is itself."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with code_file(write(folder, f"def number():\n    return {number}\n")) as code:
            assert call_function(code, "number", {}) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise RuntimeError('oh no')\n", "RuntimeError in line 2: oh no"),
        ("def broken(:\n", "SyntaxError in line 1"),
        ("import no_such_module_at_all\n", "ModuleNotFoundError in line 1"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    """With the error and the line."""
    with pytest.raises(ConfigurationError, match=message), code_file(write(tmp_path, text)):
        pass


def test_a_function_that_raises_is_one_sentence(tmp_path: Path) -> None:
    """With the error and the line in the file, also where it came from further down."""
    text = "import json\ndef build(units):\n    return json.loads(units)\n"
    with code_file(write(tmp_path, text)) as code:
        with pytest.raises(ConfigurationError, match="JSONDecodeError in line 3"):
            call_function(code, "build", {"units": "{"})
        with pytest.raises(ConfigurationError, match="unexpected keyword argument 'unit'"):
            call_function(code, "build", {"unit": 3})


def test_an_error_of_distillkit_passes_through(tmp_path: Path) -> None:
    """A function may say itself that its data are not available."""
    text = (
        "from distillkit.errors import DataUnavailableError\n"
        "def data():\n    raise DataUnavailableError('not here')\n"
    )
    with code_file(write(tmp_path, text)) as code, pytest.raises(DataUnavailableError, match=r"^not here$"):
        call_function(code, "data", {})


@pytest.mark.parametrize("name", ["absent.py", "models.txt", "a.b.py", "json.py", "random.py", "torch.py"])
def test_what_is_no_code_file_or_would_hide_a_module_is_refused(tmp_path: Path, name: str) -> None:
    """Before it is run."""
    if name != "absent.py":
        write(tmp_path, "raise SystemExit\n", name)
    with pytest.raises(ConfigurationError, match=name.replace(".", r"\.")), code_file(tmp_path / name):
        pass


def test_a_folder_is_no_code_file(tmp_path: Path) -> None:
    """Nor is one that is named like a file."""
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ConfigurationError, match="Python file"), code_file(tmp_path / "folder.py"):
        pass
