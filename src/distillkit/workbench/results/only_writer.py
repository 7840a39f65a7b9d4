"""One writer a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

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


class OwnFolder(ABC):
    """A folder of one writer; a context manager that keeps others out.

    Args:
        folder: Made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(only_writer(self.folder))
            self._open()
            self._held = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @abstractmethod
    def _open(self) -> None:
        """Read or refuse the files that are there; nobody else writes to them from now on."""
