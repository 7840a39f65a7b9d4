"""What the documentation shows is run: Python as programs, commands against the command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from distillkit.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "results" not in page.parts
]
ALSO_RUN_ELSEWHERE = ROOT / "docs" / "run-files.md"  # with its files and commands, by test_run_files.py
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>\w+[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+) -->\s*$")


@dataclass(frozen=True)
class Fence:
    """A block of code of a page."""

    info: str
    code: str
    line: int
    why_not_run: str | None


def fences(page: Path) -> Iterator[Fence]:
    """The fences of a page; `<!-- not run: the reason -->` before one says why it cannot be run."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        indent = match["indent"]
        code = "".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True))
        excused = NOT_RUN.search(text[: match.start()])
        yield Fence(
            match["info"], code, text[: match.start()].count("\n") + 1, excused["reason"] if excused else None
        )


def is_program(fence: Fence) -> bool:
    """Whether it is Python that is to be run."""
    return fence.info.split()[0] == "python" and fence.why_not_run is None


def commands() -> list[Any]:
    """Every `distillkit …` of the bash fences, without what the shell sees to."""
    return [
        pytest.param(words, id=f"{page.name}: {' '.join(words)}")
        for page in PAGES
        for fence in fences(page)
        if fence.info.split()[0] == "bash" and fence.why_not_run is None
        for line in fence.code.replace("\\\n", " ").splitlines()
        for words in commands_of(line)
        if Path(words[0]).name == "distillkit"
    ]


def commands_of(line: str) -> list[list[str]]:
    """The commands of a line as words, without variables before them and redirections after."""
    found: list[list[str]] = [[]]
    redirected = False
    for word in shlex.split(line, comments=True):
        if word in {"&&", "|"}:
            found.append([])
            redirected = False
        elif word in {">", "2>"}:
            redirected = True
        elif not redirected and (found[-1] or not re.fullmatch(r"[A-Z_]+=.*", word)):
            found[-1].append(word)
    return [words for words in found if words]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != ALSO_RUN_ELSEWHERE and any(map(is_program, fences(page)))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python fences of a page are one program, and one that says what it prints prints that."""
    monkeypatch.chdir(tmp_path)
    program: dict[str, Any] = {"__name__": f"documentation_{page.stem.replace('-', '_')}"}
    printed = ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for fence in fences(page):
            if is_program(fence):
                # as many lines before the code as on the page, so that a traceback names its line there
                exec(compile("\n" * fence.line + fence.code, str(page), "exec"), program)
                printed = capsys.readouterr().out
            elif 'title="prints"' in fence.info:
                assert printed == fence.code, f"{page.name}, line {fence.line}"


@pytest.mark.parametrize("words", commands())
def test_a_command_that_is_shown_can_be_given(words: list[str]) -> None:
    """Each command of the documentation names a command and options that there are, with values they take."""
    words = words[1:]
    command: Any = typer.main.get_command(app)
    context = command.make_context("distillkit", [], resilient_parsing=True)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
        if not hasattr(command, "commands"):
            break
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
    if not hasattr(command, "commands"):
        command.make_context(command.name, list(words), parent=context)
    else:  # an option of the program itself
        options = {name for parameter in command.params for name in [*parameter.opts, "--help"]}
        assert words
        assert set(words) <= options


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != ROOT], ids=lambda page: page.name)
def test_code_fits_the_width_of_a_page(page: Path) -> None:
    """The site shows some 88 characters of a line of code, and makes a reader scroll for the rest."""
    assert [line for fence in fences(page) for line in fence.code.splitlines() if len(line) > 88] == []


def test_what_is_not_run_says_why() -> None:
    """A fence is left out for a reason that a reader can see in the page's source."""
    reasons = [fence.why_not_run for page in PAGES for fence in fences(page) if fence.why_not_run is not None]
    assert all(len(reason.split()) >= 3 for reason in reasons)
