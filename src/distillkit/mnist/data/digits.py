"""MNIST as tensors: found, downloaded, or, where that cannot be, stood in for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from distillkit.errors import DataUnavailableError
from distillkit.mnist.data import idx

if TYPE_CHECKING:
    from torch import Tensor

    from distillkit.mnist.data.download import Progress
    from distillkit.mnist.data.idx import Bytes, RawDigits

BACKGROUND = -1.0
"""The value of a pixel without ink, in `MnistData`."""


@dataclass(frozen=True, eq=False)
class MnistData:
    """Ten classes of digits, 28 x 28, as the experiments take them: MNIST, or its stand-in."""

    train_images: Tensor = field(repr=False)
    """float32 [60000, 784], in [-1, 1]: (x / 255 - 0.5) / 0.5, so that `BACKGROUND` is -1."""
    train_labels: Tensor = field(repr=False)
    """int64 [60000]."""
    test_images: Tensor = field(repr=False)
    """float32 [10000, 784]."""
    test_labels: Tensor = field(repr=False)
    """int64 [10000]."""
    name: str
    """`mnist` or `stand-in`."""
    sha256: str
    """SHA-256 of the four arrays of bytes: train images, train labels, test images, test labels."""
    where: str
    """The folder that it was read from, or what it was drawn from."""
    reason: str = ""
    """Why this is the stand-in, where MNIST was looked for first."""

    @property
    def is_stand_in(self) -> bool:
        """Whether these are digits of fonts, which no published number may be compared with."""
        return self.name == "stand-in"


def with_background(images: Tensor, background: float) -> Tensor:
    """Images of `MnistData` with another value for a pixel without ink; full ink stays 1.

    Example:
        >>> import torch
        >>> with_background(torch.tensor([-1.0, 0.0, 1.0]), 0.0)
        tensor([0.0000, 0.5000, 1.0000])
    """
    return 1 - (1 - images) * ((1 - background) / (1 - BACKGROUND))


def cache_folder() -> Path:
    """The folder for what distillkit keeps: `DISTILLKIT_CACHE_DIR`, or else the user's cache."""
    named = os.environ.get("DISTILLKIT_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    # imported here for a quick start
    from platformdirs import user_cache_path

    return user_cache_path("distillkit")


def is_offline() -> bool:
    """Whether `DISTILLKIT_OFFLINE` forbids downloads: anything but empty, 0, false, no and off does."""
    return os.environ.get("DISTILLKIT_OFFLINE", "").strip().lower() not in {"", "0", "false", "no", "off"}


def load_mnist(
    data_dir: Path | None = None,
    *,
    allow_stand_in: bool = True,
    allow_download: bool = True,
    mirrors: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> MnistData:
    """Load MNIST from the first place that has it, or draw the stand-in.

    In this order: `data_dir`, or else the folder that `DISTILLKIT_DATA` names (if either is given, no other
    place is looked at, and nothing is written there); the cache folder; a download into it; the stand-in.
    Every file is checked by its digest, each time.

    Args:
        data_dir: torchvision's root: the folder that holds MNIST/raw, with the four files unpacked or as .gz.
        allow_stand_in: Draw the stand-in if MNIST is not there and cannot be downloaded.
        allow_download: Download MNIST if it is not there; `DISTILLKIT_OFFLINE=1` forbids it too.
        mirrors: Addresses to download from instead of torchvision's.
        progress: Told what is downloaded or drawn, how much of it there is, and how much there will be.

    Returns:
        The data; `is_stand_in` says which of the two.

    Raises:
        DataUnavailableError: A folder that was named does not hold MNIST, a file is truncated or altered, or
            MNIST cannot be had and the stand-in is not allowed.
    """
    named = _named_folder(data_dir)
    if named is not None:
        folder, by = named
        try:
            return _read(folder)
        except DataUnavailableError as error:
            raise type(error)(f"{error} (the folder was named by {by})") from error
    cache = cache_folder()
    try:
        return _read(cache)
    except DataUnavailableError as error:
        in_cache = error
    reason = _why_no_download(cache, allow_download, mirrors, progress)
    if not reason:
        return _read(cache)
    if isinstance(in_cache, idx.DamagedFileError):
        raise in_cache
    reason = f"MNIST is not in the cache {cache}, and {reason}"
    if not allow_stand_in:
        raise DataUnavailableError(
            f"{reason}: put MNIST's four files into {idx.RAW_FOLDER} of a folder and name that folder with "
            "--data-dir or DISTILLKIT_DATA, or allow the stand-in"
        )
    # imported here for a quick start
    from distillkit.mnist.data.stand_in import load_stand_in

    return _stand_in(load_stand_in(cache, progress), reason)


def load_stand_in(progress: Progress | None = None) -> MnistData:
    """The full stand-in, drawn once and then kept in the cache folder.

    Args:
        progress: Told how much of it is drawn.
    """
    # imported here for a quick start
    from distillkit.mnist.data import stand_in as standin

    return _stand_in(standin.load_stand_in(cache_folder(), progress), "it was asked for")


def make_stand_in(n_train: int = 60_000, n_test: int = 10_000, seed: int = 0) -> MnistData:
    """Draw the stand-in in any size, without the cache; see `distillkit.mnist.data.stand_in.draw_stand_in`.

    Args:
        n_train: Training images, at least 1.
        n_test: Test images, at least 1.
        seed: Of the random streams, at least 0.

    Returns:
        The data, named `stand-in`; a smaller one is the beginning of a larger one of the same seed.

    Raises:
        ConfigurationError: A number below its least value.

    Example:
        >>> data = make_stand_in(n_train=200, n_test=100)
        >>> data.train_images.shape, data.is_stand_in, float(data.train_images.min())
        (torch.Size([200, 784]), True, -1.0)
    """
    # imported here for a quick start
    from distillkit.mnist.data.stand_in import draw_stand_in

    return _stand_in(draw_stand_in(n_train, n_test, seed=seed))


def _named_folder(data_dir: Path | None) -> tuple[Path, str] | None:
    if data_dir is not None:
        return Path(data_dir).expanduser(), "--data-dir"
    named = os.environ.get("DISTILLKIT_DATA")
    return (Path(named).expanduser(), "DISTILLKIT_DATA") if named else None


def _why_no_download(
    cache: Path, allow_download: bool, mirrors: Sequence[str] | None, progress: Progress | None
) -> str:
    """Download into the cache; empty if that worked, else why not, as the end of a sentence."""
    if not allow_download:
        return "a download is not allowed"
    if is_offline():
        return "DISTILLKIT_OFFLINE forbids a download"
    # imported here for a quick start
    from distillkit.mnist.data.download import download_mnist

    try:
        download_mnist(cache, mirrors=mirrors, progress=progress)
    except DataUnavailableError as error:
        return str(error)
    return ""


def _read(folder: Path) -> MnistData:
    return _as_tensors(idx.read_folder(folder), "mnist", str(folder))


def _stand_in(digits: RawDigits, reason: str = "") -> MnistData:
    return _as_tensors(digits, "stand-in", "drawn from matplotlib's fonts", reason)


def _as_tensors(digits: RawDigits, name: str, where: str, reason: str = "") -> MnistData:
    return MnistData(
        train_images=_images(digits.train_images),
        train_labels=_labels(digits.train_labels),
        test_images=_images(digits.test_images),
        test_labels=_labels(digits.test_labels),
        name=name,
        sha256=digits.sha256(),
        where=where,
        reason=reason,
    )


def _images(pixels: Bytes) -> Tensor:
    # imported here for a quick start
    import torch

    # In place and in the order of torchvision's ToTensor and Normalize: the same floats, without copies.
    flat = torch.from_numpy(pixels.astype("float32")).reshape(len(pixels), -1)
    return flat.div_(255).sub_(0.5).div_(0.5)


def _labels(classes: Bytes) -> Tensor:
    # imported here for a quick start
    import torch

    return torch.from_numpy(classes.astype("int64"))
