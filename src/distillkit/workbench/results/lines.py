"""Files of JSON, one object a line: appended durably, and read past what a kill tears."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillkit.errors import ConfigurationError


def append_line(file: Path, line: Mapping[str, Any]) -> None:
    """Append an object; when this returns it is on the disk.

    Args:
        file: Made where it does not exist.
        line: Plain data; a number that is not finite is an error.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "lines.jsonl"
        ...     append_line(file, {"id": "a", "name": "D30-T4", "seed": 0})
        ...     len(read_lines(file))
        1
    """
    text = (json.dumps(line, allow_nan=False) + "\n").encode()
    with file.open("ab", buffering=0) as handle:
        handle.write(text)
        os.fsync(handle.fileno())


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a file, none where it does not exist; a torn last line is passed over.

    Args:
        file: Each line has an `id`, a `name` and a `seed`.

    Raises:
        ConfigurationError: A line that is not the last cannot be read; names it.
    """
    if not file.exists():
        return []
    found = []
    for number, text in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
        try:
            line = json.loads(text)
            line["id"], line["name"], line["seed"]
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"Line {number} of {file} is damaged: delete that line and run the command again to "
                "make it anew."
            ) from None
        found.append(line)
    return found


def cut_torn_line(file: Path) -> None:
    """Cut off a last line without an end, before the next append."""
    if not file.exists():
        return
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with file.open("r+b") as handle:
            handle.truncate(whole)
            os.fsync(handle.fileno())
