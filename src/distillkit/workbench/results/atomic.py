"""Files that are whole or not there: written beside, synced, renamed; a manifest of their digests."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST_NAME = "MANIFEST.json"


def write_atomically(path: Path, data: bytes | str) -> None:
    """Publish `data` at `path`: a reader sees the old file or the new one, whenever the power fails.

    Args:
        path: the file to write; its folder is made when it is not there.
        data: bytes, or text (written as UTF-8).

    Raises:
        OSError: the file could not be written; the old one is untouched and nothing half-written is left.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_atomically(target, "kept")
        >>> target.read_text()
        'kept'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, since a rename is atomic only within one file system.
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def to_json(value: Any) -> str:
    """JSON with an indent and a newline at the end; a number that is not finite is an error, never `NaN`.

    Example:
        >>> print(to_json({"errors": 158}), end="")
        {
          "errors": 158
        }
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Publish `value` as JSON at `path`, atomically; see `to_json` and `write_atomically`."""
    write_atomically(path, to_json(value))


def write_manifest(folder: Path) -> Path:
    """Write MANIFEST.json: name, size and SHA-256 of every file below `folder`; write it last.

    Args:
        folder: the output folder. Hidden files (unfinished writes) and the manifest itself are left out.

    Returns:
        The path of the manifest.
    """
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in files if name != MANIFEST_NAME and not Path(name).name.startswith(".")]
    manifest = folder / MANIFEST_NAME
    write_json(manifest, {"files": [_entry(folder, name) for name in kept]})
    return manifest


def manifest_problems(folder: Path, *, may_be_absent: Iterable[str] = ()) -> list[str]:
    """Compare every file that MANIFEST.json names with its size and digest.

    Args:
        folder: the output folder.
        may_be_absent: subfolders whose files need not be there (large ones that are not passed on).

    Returns:
        One sentence a discrepancy; empty when every file is as it was published.
    """
    manifest = folder / MANIFEST_NAME
    try:
        entries = [(str(row["name"]), int(row["size"]), str(row["sha256"])) for row in _files_of(manifest)]
    except FileNotFoundError:
        return [f"{MANIFEST_NAME}: expected the digests of every file but the manifest is missing."]
    except (KeyError, TypeError, ValueError):
        return [f"{MANIFEST_NAME}: expected a list of names, sizes and digests but it cannot be read as one."]
    absent_ok = tuple(f"{name}/" for name in may_be_absent)
    problems = []
    for name, size, digest in entries:
        path = folder / name
        if not path.is_file():
            if not name.startswith(absent_ok):
                problems.append(
                    f"{name}: expected a file of {size} bytes (by {MANIFEST_NAME}) but it is missing."
                )
        elif path.stat().st_size != size:
            problems.append(
                f"{name}: expected {size} bytes (by {MANIFEST_NAME}) but it has {path.stat().st_size}."
            )
        elif sha256_of(path) != digest:
            problems.append(
                f"{name}: expected SHA-256 {digest} (by {MANIFEST_NAME}) but it is {sha256_of(path)}."
            )
    return problems


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_of(manifest: Path) -> list[dict[str, Any]]:
    rows = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    if not isinstance(rows, list):
        raise TypeError("files is not a list")
    return rows


def _entry(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return {"name": name, "size": path.stat().st_size, "sha256": sha256_of(path)}


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; there, the rename is as durable as it gets.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
