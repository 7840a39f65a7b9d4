"""Reading MNIST's four files: the format, the packing, and every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from distillkit.errors import DataUnavailableError
from distillkit.mnist.data import idx

NAMES = [file.name for file in idx.MNIST_FILES]


@pytest.fixture
def root(monkeypatch, tmp_path) -> Path:
    """Four small files in torchvision's layout; their digests are exchanged for the real ones."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    files = []
    for name, shape in zip(NAMES, [(4, 28, 28), (4,), (2, 28, 28), (2,)], strict=True):
        body = idx_bytes(np.random.default_rng(0).integers(0, 10, shape, dtype=np.uint8))
        (raw / name).write_bytes(body)
        files.append(idx.MnistFile(name, len(body), hashlib.md5(body).hexdigest()))
    monkeypatch.setattr(idx, "MNIST_FILES", tuple(files))
    return tmp_path


def idx_bytes(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def pack(path: Path) -> None:
    """Exchange a file for its .gz."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "header"),
        (bytes([0, 0, 8]), "header"),
        (bytes([0, 0, 9, 1, 0, 0, 0, 0]), "header"),
        (bytes([0, 0, 8, 2, 0, 0, 0, 1]), "header"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), r"shape \[3\], but got 2"),
    ],
)
def test_what_is_not_idx_is_refused(body, words):
    """A wrong header or length is an error in words."""
    with pytest.raises(ValueError, match=words):
        idx.parse_idx(body)


def test_idx_is_read_with_the_last_dimension_fastest():
    """Element [i, j, k] is byte (i * J + j) * K + k after the header."""
    array = idx.parse_idx(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(24)]))
    assert array.shape == (2, 3, 4)
    assert all(array[i, j, k] == (i * 3 + j) * 4 + k for i in range(2) for j in range(3) for k in range(4))


@pytest.mark.parametrize("packed", [[0], [1, 2], [0, 1, 2, 3]])
def test_files_may_be_packed(packed, root):
    """Each of the four files is read unpacked or as .gz, with the same result."""
    plain = idx.read_folder(root).sha256()
    for index in packed:
        pack(root / "MNIST/raw" / NAMES[index])
    assert idx.read_folder(root).sha256() == plain


DAMAGES = {
    "truncated": (lambda body: body[:-1], r"expected [\d,]+ bytes, but got [\d,]+"),
    "empty": (lambda _: b"", "but got 0"),
    "too long": (lambda body: body + b"\0", "but got more"),
    "altered": (lambda body: body[:-1] + bytes([body[-1] ^ 1]), r"MD5 [0-9a-f]{32}, but got [0-9a-f]{32}"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name(damage, index, packed, root):
    """The error names the file, what was expected, what came, and what to do."""
    change, reason = DAMAGES[damage]
    path = root / "MNIST/raw" / NAMES[index]
    path.write_bytes(change(path.read_bytes()))
    if packed:
        pack(path)
        path = path.with_name(f"{path.name}.gz")
    with pytest.raises(idx.DamagedFileError, match=reason) as caught:
        idx.read_folder(root)
    assert str(path) in str(caught.value)
    assert "put the original in its place" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", gzip.compress(bytes(99))[:15], b"\x1f\x8b\x08\x00" + bytes(40)]
)
def test_a_gz_that_does_not_unpack_is_refused_by_name(body, root):
    """Whatever is wrong with the packing, it is the same error."""
    path = root / "MNIST/raw" / NAMES[1]
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(body)
    with pytest.raises(idx.DamagedFileError, match=rf"{path.name}\.gz is not MNIST's"):
        idx.read_folder(root)


def test_a_file_that_cannot_be_read_is_one_sentence(root, monkeypatch):
    """The system's refusal is passed on, with the file's name."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataUnavailableError, match=rf"{NAMES[0]} cannot be read .*Permission denied"):
        idx.read_folder(root)
