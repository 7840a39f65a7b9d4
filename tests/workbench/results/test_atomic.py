"""Files are whole or not there, and the manifest notices every change."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from distillkit.workbench.results.atomic import (
    manifest_problems,
    write_atomically,
    write_json,
    write_manifest,
)


@pytest.mark.parametrize("data", ["digits ± 3\n", b"\x00\xff"])
def test_what_is_written_is_read(tmp_path: Path, data: bytes | str) -> None:
    """Text and bytes arrive as they are, folders are made, an old file is replaced, nothing else is left."""
    path = tmp_path / "new" / "file"
    write_atomically(path, "old")
    write_atomically(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [one.name for one in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """When the disk refuses at any step, the error is loud, the old file stays, nothing else is left."""
    path = tmp_path / "file"
    write_atomically(path, "old")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse) if broken == "fsync" else monkeypatch.setattr(
        Path, "replace", refuse
    )
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_the_file_is_synced_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that survives a power failure: sync the bytes, rename, sync the folder."""
    steps: list[str] = []
    sync: Callable[[int], None] = os.fsync
    rename = Path.replace

    def fsync(descriptor: int) -> None:
        steps.append("sync")
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(tmp_path / "file", "x")
    assert steps == ["sync", "rename", "sync"]


def test_json_never_holds_nan(tmp_path: Path) -> None:
    """A number that is not finite is refused and nothing is written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"nll": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    """Others may read what is published: the file is made under the umask, like any other."""
    (tmp_path / "plain").write_text("x")
    write_atomically(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with three files and their manifest."""
    for name in ("a.txt", "sub/b.txt", "teachers/c.txt", ".lock"):
        write_atomically(tmp_path / name, f"content of {name}")
    write_manifest(tmp_path)
    return tmp_path


def test_an_untouched_folder_has_no_problems(published: Path) -> None:
    """Every file but hidden ones and the manifest is listed, in order, and agrees."""
    names = [row["name"] for row in json.loads((published / "MANIFEST.json").read_text())["files"]]
    assert names == ["a.txt", "sub/b.txt", "teachers/c.txt"]
    assert manifest_problems(published) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "a.txt").write_text("content of b.txt"), "a.txt: expected SHA-256"),
        (lambda folder: (folder / "a.txt").write_text("short"), "a.txt: expected 16 bytes"),
        (lambda folder: (folder / "sub/b.txt").unlink(), r"sub/b.txt: .* missing"),
        (lambda folder: (folder / "MANIFEST.json").unlink(), r"MANIFEST.json: .* missing"),
        (lambda folder: (folder / "MANIFEST.json").write_text("{"), r"MANIFEST.json: .* cannot be read"),
        (
            lambda folder: (folder / "MANIFEST.json").write_text('{"files": 3}'),
            r"MANIFEST.json: .* cannot be read",
        ),
    ],
)
def test_every_change_is_named(published: Path, damage: Callable[[Path], object], words: str) -> None:
    """A changed, cut or missing file, and a damaged manifest, each give one sentence that names the file."""
    damage(published)
    problems = manifest_problems(published)
    assert len(problems) == 1
    assert re.search(words, problems[0])


def test_files_that_are_not_passed_on_may_be_absent(published: Path) -> None:
    """A folder named as such may lack its files; elsewhere a missing file is a problem."""
    (published / "teachers/c.txt").unlink()
    assert manifest_problems(published, may_be_absent=["teachers"]) == []
    assert len(manifest_problems(published)) == 1
