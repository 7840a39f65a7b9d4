"""Downloading MNIST: a short time-out, every file checked, and nothing half-written."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from distillkit.errors import DataUnavailableError
from distillkit.mnist.data import idx
from distillkit.workbench.results.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being made, how much of it there is, and how much there will be (0: not known)."""

TIMEOUT = 10.0
"""Seconds that a mirror may keep silent."""

_CHUNK = 64 * 1024
_SLOWEST = 8 * 1024  # bytes a second: a mirror that drips is as good as none


def torchvision_mirrors() -> list[str]:
    """The addresses that torchvision downloads MNIST from, the first one first.

    Raises:
        DataUnavailableError: torchvision cannot be imported.
    """
    try:
        # imported here for a quick start
        from torchvision.datasets import MNIST
    except (ImportError, RuntimeError) as error:  # RuntimeError: it was built for another torch
        raise DataUnavailableError(
            f"expected torchvision, which knows MNIST's addresses, but it cannot be imported ({error}): "
            "install torch and torchvision together, from one index"
        ) from error
    return list(MNIST.mirrors)


def download_mnist(
    root: Path,
    *,
    mirrors: Sequence[str] | None = None,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> None:
    """Complete MNIST in a folder that is ours: what is there and intact stays, the rest is downloaded.

    A file appears under its name only when it is whole and its MD5 is right. A mirror that fails once is not
    asked again.

    Args:
        root: Where to; the files go to MNIST/raw, unpacked, where torchvision finds them too.
        mirrors: Addresses to which a file's name and `.gz` are added; None: torchvision's.
        timeout: Seconds that a mirror may keep silent, and that it has to reach 8 KiB a second.
        progress: Told of each file's bytes as they come.

    Raises:
        DataUnavailableError: No mirror could give what is missing, or the folder cannot be written.
    """
    missing = [file for file in idx.MNIST_FILES if not _is_intact(root, file)]
    if not missing:
        return
    raw = root / idx.RAW_FOLDER
    if not raw.resolve().is_relative_to(root.resolve()):
        raise DataUnavailableError(
            f"{raw} is a link to a folder elsewhere, which is only read: "
            "complete that folder, or name another with DISTILLKIT_DATA"
        )
    try:
        raw.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataUnavailableError(_cannot_write(root, error)) from error
    failures = []
    for mirror in torchvision_mirrors() if mirrors is None else mirrors:
        try:
            while missing:
                data = _fetch(mirror, missing[0], timeout, progress)
                _publish(root, missing[0], data)
                del missing[0]
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{_url(mirror, missing[0])}: {_in_words(error)}")
    why = "; ".join(failures) or "no mirror was named"
    raise DataUnavailableError(f"MNIST could not be downloaded ({why})")


def _is_intact(root: Path, file: idx.MnistFile) -> bool:
    try:
        idx.read_file(root, file)
    except DataUnavailableError:
        return False
    return True


def _publish(root: Path, file: idx.MnistFile, data: bytes) -> None:
    try:
        write_atomically(file.path(root), data)
    except OSError as error:
        raise DataUnavailableError(_cannot_write(root, error)) from error


def _cannot_write(root: Path, error: OSError) -> str:
    return (
        f"expected a cache folder that can be written, but {root} is none ({error}): "
        "name another with DISTILLKIT_CACHE_DIR"
    )


def _url(mirror: str, file: idx.MnistFile) -> str:
    return f"{mirror.rstrip('/')}/{file.name}.gz"


def _in_words(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it is also the answer, and holds the connection
    elif isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _fetch(mirror: str, file: idx.MnistFile, timeout: float, progress: Progress | None) -> bytes:
    """One file, unpacked and checked; an OSError, ValueError or HTTPException says why not."""
    # The mirrors are torchvision's or the caller's own; what comes from them is checked by its digest (S310).
    request = urllib.request.Request(_url(mirror, file), headers={"User-Agent": "distillkit"})  # noqa: S310
    started = time.monotonic()
    packed = bytearray()
    with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
        total = int(response.headers.get("Content-Length", 0))
        # read1 gives what has come, so that a mirror that drips is noticed between its drops.
        while chunk := response.read1(_CHUNK):
            packed += chunk
            if progress is not None:
                progress(file.name, len(packed), total)
            if len(packed) > file.most_packed:
                raise ValueError(f"expected at most {file.most_packed:,} bytes, but got more")
            elapsed = time.monotonic() - started
            if elapsed > timeout and len(packed) < _SLOWEST * elapsed:
                raise TimeoutError(f"only {len(packed):,} bytes came in {elapsed:.0f} s")
    if len(packed) < total:
        raise ValueError(f"expected {total:,} bytes, but got {len(packed):,}")
    return idx.checked(idx.unpack(bytes(packed), file), file)
