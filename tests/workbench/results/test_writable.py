"""Files that cannot be written are refused before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distillkit.errors import ConfigurationError
from distillkit.workbench.results.writable import check_writable


def test_a_file_in_folders_that_are_to_come_is_fine_and_makes_none(tmp_path: Path) -> None:
    """They are made with the file."""
    check_writable(tmp_path / "a" / "b" / "c.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_and_a_place_in_a_file_are_refused(tmp_path: Path) -> None:
    """Each with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="is a folder: name a file"):
        check_writable(tmp_path)
    for inside in ("c.png", "a/c.png"):
        with pytest.raises(ConfigurationError, match="file is no folder: name another file"):
            check_writable(tmp_path / "file" / inside)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigurationError, match="not yours to write to"):
        check_writable(tmp_path / "c.png")
