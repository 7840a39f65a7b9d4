"""Whether a file can be written, found out before the work that is to fill it."""

from __future__ import annotations

import os
from pathlib import Path

from distillkit.errors import ConfigurationError


def check_writable(file: Path) -> None:
    """Refuse a file that could not be written; nothing is made. A full disk is not foreseen.

    Raises:
        ConfigurationError: It is a folder, or in a place that is none, or that is not the user's to write to.

    Example:
        >>> check_writable(Path("gained.png"))
    """
    if file.is_dir():
        raise ConfigurationError(f"{file} is a folder: name a file.")
    above = next(folder for folder in file.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ConfigurationError(f"{file} cannot be written, since {above} is no folder: name another file.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{file} cannot be written, since the folder {above} is not yours to write to: name another file."
        )
