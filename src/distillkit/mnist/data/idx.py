"""MNIST's four files: what they are called, their digests, and reading them without ever writing."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from distillkit.errors import DataUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

Bytes: TypeAlias = npt.NDArray[np.uint8]

RAW_FOLDER = "MNIST/raw"
"""Where torchvision keeps the files, under the folder that it calls the root."""

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class MnistFile:
    """One of the four files, unpacked: its name, its size in bytes and its MD5."""

    name: str
    size: int
    md5: str

    @property
    def most_packed(self) -> int:
        """More bytes than gzip makes of it, even of what cannot be compressed."""
        return self.size + self.size // 1000 + 1024

    def path(self, root: Path) -> Path:
        """Where the unpacked file lies under torchvision's root."""
        return root / RAW_FOLDER / self.name


MNIST_FILES = (
    MnistFile("train-images-idx3-ubyte", 47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
    MnistFile("train-labels-idx1-ubyte", 60_008, "a25bea736e30d166cdddb491f175f624"),
    MnistFile("t10k-images-idx3-ubyte", 7_840_016, "2646ac647ad5339dbf082846283269ea"),
    MnistFile("t10k-labels-idx1-ubyte", 10_008, "27ae3e4e09519cfbb04c329615203637"),
)
"""Train images, train labels, test images, test labels: this order is also that of `RawDigits`."""


class RawDigits(NamedTuple):
    """The four arrays as they are stored: images uint8 [n, 28, 28], labels uint8 [n]."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes

    def sha256(self) -> str:
        """The digest of the four arrays' bytes, in the order of the fields."""
        digest = hashlib.sha256()
        for array in self:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


class MissingFileError(DataUnavailableError):
    """A folder that lacks one of MNIST's files."""


class DamagedFileError(DataUnavailableError):
    """A file that bears the name of one of MNIST's and is not it."""


def parse_idx(data: bytes) -> Bytes:
    """Decode the IDX format, for unsigned bytes.

    The header is two zero bytes, the type (8: unsigned byte), the number of dimensions, and each dimension as
    a big-endian 32-bit integer; the elements follow, the last dimension running fastest.

    Args:
        data: A whole unpacked IDX file.

    Returns:
        The array, a read-only view of `data`.

    Raises:
        ValueError: `data` is not an IDX file of unsigned bytes, or its length is not what its header says.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])).tolist()
        [7, 2, 1]
    """
    header = 4 + 4 * data[3] if len(data) > 3 else 4
    if len(data) < header or data[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise ValueError(f"expected IDX's header of bytes (00 00 08), but got {data[:4].hex(' ')!r}")
    shape = [int(size) for size in np.frombuffer(data, dtype=">u4", count=data[3], offset=4)]
    if len(data) - header != math.prod(shape):
        raise ValueError(f"expected elements of the shape {shape}, but got {len(data) - header} of them")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def unpack(packed: bytes, file: MnistFile) -> bytes:
    """Decompress gzip, up to one byte more than `file` has: enough to see that it is not it.

    Raises:
        ValueError: `packed` is not gzip, or is cut short.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            return stream.read(file.size + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"expected gzip, but the {len(packed):,} bytes do not unpack ({error})") from error


def checked(data: bytes, file: MnistFile) -> bytes:
    """Give `data` back if it is that unpacked file, byte for byte.

    Raises:
        ValueError: The length or the MD5 is another one.
    """
    if len(data) != file.size:
        came = f"{len(data):,}" if len(data) < file.size else "more"
        raise ValueError(f"expected {file.size:,} bytes, but got {came}")
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != file.md5:
        raise ValueError(f"expected the MD5 {file.md5}, but got {md5}")
    return data


def read_file(root: Path, file: MnistFile) -> Bytes:
    """Read one file of MNIST, unpacked or else as `.gz`, and check its digest.

    Args:
        root: torchvision's root: the folder that holds MNIST/raw. Nothing is written there.
        file: Which of the four.

    Returns:
        The array: uint8, images [n, 28, 28] or labels [n].

    Raises:
        MissingFileError: The folder has no such file.
        DamagedFileError: The file is truncated or altered.
        DataUnavailableError: The file cannot be read.
    """
    plain = file.path(root)
    try:
        path = next((p for p in (plain, plain.with_name(f"{file.name}.gz")) if p.is_file()), None)
        if path is None:
            raise MissingFileError(
                f"expected {RAW_FOLDER}/{file.name} (or {file.name}.gz) in the folder {root}, but there is "
                f"no such file: give the folder that holds {RAW_FOLDER}, as torchvision's root does"
            )
        # A file far too long is not read whole only to be refused.
        with path.open("rb") as stream:
            data = stream.read(file.size + 1 if path == plain else file.most_packed + 1)
    except OSError as error:
        raise DataUnavailableError(f"{plain} cannot be read ({error}): make it readable") from error
    try:
        return parse_idx(checked(unpack(data, file) if path != plain else data, file))
    except ValueError as error:
        raise DamagedFileError(
            f"{path} is not MNIST's {file.name}: {error}; delete it or put the original in its place"
        ) from error


def read_folder(root: Path) -> RawDigits:
    """Read the four files of MNIST under `root`, each checked by its digest.

    Raises:
        MissingFileError: The folder lacks one of them.
        DamagedFileError: One of them is truncated or altered.
        DataUnavailableError: One of them cannot be read.
    """
    return RawDigits(*(read_file(root, file) for file in MNIST_FILES))
