"""One writer a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from distillkit.errors import ConfigurationError


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the folder where it is not there, and keep other writers out until the end.

    The lock is the operating system's: it goes with the process, however that ends.

    Raises:
        ConfigurationError: The folder cannot be written, or another process writes to it.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(
            f"Another distillkit is writing to {folder}: wait for it, or choose another --out."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror or error}): choose another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()
