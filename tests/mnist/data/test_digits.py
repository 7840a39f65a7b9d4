"""Where MNIST is looked for, what is refused, and what comes of it."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distillkit.errors import DataUnavailableError
from distillkit.mnist.data import digits as data
from distillkit.mnist.data import idx
from distillkit.mnist.data import stand_in as standin

NAMES = [file.name for file in idx.MNIST_FILES]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """No test sees the machine's own settings or cache."""
    monkeypatch.setenv("DISTILLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("DISTILLKIT_DATA", raising=False)
    monkeypatch.delenv("DISTILLKIT_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def small(monkeypatch) -> idx.RawDigits:
    """A small MNIST, whose four digests are exchanged for the real ones."""
    digits = standin.draw_stand_in(20, 10, seed=7)
    files = tuple(
        idx.MnistFile(name, len(body), hashlib.md5(body).hexdigest())
        for name, body in zip(NAMES, map(idx_bytes, digits), strict=True)
    )
    monkeypatch.setattr(idx, "MNIST_FILES", files)
    return digits


@pytest.fixture
def root(small, tmp_path) -> Path:
    """A folder that holds it, in torchvision's layout."""
    raw = tmp_path / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in zip(NAMES, small, strict=True):
        (raw / name).write_bytes(idx_bytes(array))
    return tmp_path / "root"


@pytest.fixture
def small_stand_in(monkeypatch) -> None:
    """Exchanges the full stand-in for a small one."""
    digits = standin.draw_stand_in(30, 20)
    monkeypatch.setattr(standin, "draw_stand_in", lambda progress=None: digits)


@pytest.fixture
def mirror(root, tmp_path) -> str:
    """A mirror with all the files: urllib reads a folder's address as well as a server's."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for path in (root / "MNIST/raw").iterdir():
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return folder.as_uri()


def idx_bytes(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    """Every name below a folder with its size and time of change."""
    return sorted((str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in [folder, *folder.rglob("*")])


def test_images_are_scaled_to_minus_one_to_one(root, small):
    """Pixels become (x / 255 - 0.5) / 0.5 in float32, flat; labels int64; nothing else changes."""
    mnist = data.load_mnist(root)
    assert (mnist.name, mnist.is_stand_in, mnist.where, mnist.reason) == ("mnist", False, str(root), "")
    assert [mnist.train_images.dtype, mnist.train_labels.dtype] == [torch.float32, torch.int64]
    expected = (torch.tensor(small.train_images.reshape(20, 784)) / 255 - 0.5) / 0.5
    assert torch.equal(mnist.train_images, expected)
    assert mnist.test_images.shape == (10, 784)
    assert mnist.test_images.min() == data.BACKGROUND
    assert mnist.train_labels.tolist() == small.train_labels.tolist()
    assert mnist.test_labels.tolist() == small.test_labels.tolist()


def test_the_digest_is_that_of_the_four_arrays_in_order(root, small):
    """sha256 is over train images, train labels, test images, test labels."""
    body = b"".join(array.tobytes() for array in small)
    assert data.load_mnist(root).sha256 == hashlib.sha256(body).hexdigest()


def test_a_named_folder_is_only_read(root, cache):
    """Neither a good folder nor one that lacks a file is written to, nor the cache beside it."""
    before = snapshot(root)
    data.load_mnist(root)
    assert snapshot(root) == before
    (root / "MNIST/raw" / NAMES[3]).unlink()
    before = snapshot(root)
    with pytest.raises(DataUnavailableError):
        data.load_mnist(root)
    assert snapshot(root) == before
    assert not cache.exists()


def test_links_are_followed(root, tmp_path):
    """A folder of links to the files, and a link to that folder, read like the folder itself."""
    raw = tmp_path / "links" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        (raw / name).symlink_to(root / "MNIST/raw" / name)
    (tmp_path / "link").symlink_to(tmp_path / "links")
    assert data.load_mnist(tmp_path / "link").sha256 == data.load_mnist(root).sha256


@pytest.mark.parametrize("by", ["--data-dir", "DISTILLKIT_DATA"])
@pytest.mark.parametrize("kind", ["empty", "absent", "a file", "one missing", "dangling link"])
def test_a_named_folder_without_mnist_is_an_error(by, kind, root, mirror, monkeypatch):
    """Neither a download nor the stand-in takes the place of a folder that somebody named."""
    folder = root.with_name("named")
    missing = NAMES[0]
    if kind == "empty":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("not a folder")
    elif kind in {"one missing", "dangling link"}:
        missing = NAMES[2]
        folder = root
        (root / "MNIST/raw" / missing).unlink()
        if kind == "dangling link":
            (root / "MNIST/raw" / missing).symlink_to(root / "nowhere")
    if by == "DISTILLKIT_DATA":
        monkeypatch.setenv("DISTILLKIT_DATA", str(folder))
    with pytest.raises(DataUnavailableError) as caught:
        data.load_mnist(folder if by == "--data-dir" else None, mirrors=[mirror])
    assert caught.value.exit_code == 3
    for words in (str(folder), f"MNIST/raw/{missing}", "torchvision's root", by):
        assert words in str(caught.value)


def test_data_dir_goes_before_the_environment_and_both_before_the_cache(root, cache, monkeypatch, tmp_path):
    """The first place that is named is the one that is read."""
    monkeypatch.setenv("DISTILLKIT_DATA", str(tmp_path / "nowhere"))
    assert data.load_mnist(root).where == str(root)
    root.rename(cache)
    with pytest.raises(DataUnavailableError, match="nowhere"):
        data.load_mnist()
    monkeypatch.setenv("DISTILLKIT_DATA", "")
    assert data.load_mnist().where == str(cache)


def test_a_download_is_kept_in_the_cache(mirror, root, cache, monkeypatch):
    """The first call downloads, into torchvision's layout; the next needs no network."""
    expected = data.load_mnist(root).sha256
    told = []
    first = data.load_mnist(mirrors=[mirror], allow_stand_in=False, progress=lambda *call: told.append(call))
    monkeypatch.setenv("DISTILLKIT_OFFLINE", "1")
    second = data.load_mnist(allow_stand_in=False)
    assert first.sha256 == second.sha256 == expected
    assert first.where == second.where == str(cache)
    assert sorted(path.name for path in (cache / "MNIST/raw").iterdir()) == sorted(NAMES)
    assert {name for name, _, _ in told} == set(NAMES)


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False), ("No", False)]
)
def test_offline_is_what_the_environment_says(value, offline, monkeypatch):
    """Anything but empty, 0, false, no and off means offline."""
    monkeypatch.setenv("DISTILLKIT_OFFLINE", value)
    assert data.is_offline() is offline


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_no_download_where_it_is_not_wanted(how, mirror, cache, monkeypatch, small_stand_in):
    """allow_download=False and DISTILLKIT_OFFLINE=1 both keep the mirrors unasked; the reason is kept."""
    if how == "environment":
        monkeypatch.setenv("DISTILLKIT_OFFLINE", "1")
    mnist = data.load_mnist(mirrors=[mirror], allow_download=how == "environment")
    assert mnist.is_stand_in
    assert not (cache / "MNIST").exists()
    assert "DISTILLKIT_OFFLINE" in mnist.reason or "not allowed" in mnist.reason


def test_without_mnist_the_stand_in_comes_and_says_so(small, cache, small_stand_in):
    """It is named stand-in, tells what it was drawn from and why, and is kept in the cache."""
    mnist = data.load_mnist(mirrors=[(cache / "nothing").as_uri()])
    assert (mnist.name, mnist.is_stand_in) == ("stand-in", True)
    assert mnist.where == "drawn from matplotlib's fonts"
    assert "could not be downloaded" in mnist.reason
    assert [path.suffix for path in cache.glob("*.npz")] == [".npz"]


def test_where_the_stand_in_is_refused_the_error_shows_the_ways_out(small, cache):
    """The error has exit code 3 and names the cache, the failed download, the flag and the variable."""
    with pytest.raises(DataUnavailableError) as caught:
        data.load_mnist(mirrors=[(cache / "nothing").as_uri()], allow_stand_in=False)
    assert caught.value.exit_code == 3
    for words in (str(cache), "could not be downloaded", "--data-dir", "DISTILLKIT_DATA", "stand-in"):
        assert words in str(caught.value)


def test_a_damaged_file_in_the_cache_is_downloaded_again(mirror, root, cache):
    """The cache is ours: a damaged file is replaced where that is possible, and refused by name where not."""
    expected = data.load_mnist(mirrors=[mirror]).sha256
    (cache / "MNIST/raw" / NAMES[2]).write_bytes(b"damaged")
    with pytest.raises(idx.DamagedFileError, match=NAMES[2]):
        data.load_mnist(allow_download=False)
    assert data.load_mnist(mirrors=[mirror]).sha256 == expected


def test_a_small_stand_in_needs_no_cache(cache):
    """make_stand_in gives any size, the same each time, and touches no folder."""
    first, second = data.make_stand_in(30, 20), data.make_stand_in(30, 20)
    assert first.train_images.shape == (30, 784)
    assert first.test_labels.shape == (20,)
    assert first.sha256 == second.sha256 != data.make_stand_in(30, 20, seed=1).sha256
    assert torch.equal(first.train_images, second.train_images)
    assert (first.name, first.train_images.min(), first.train_images.max()) == ("stand-in", -1, 1)
    assert not cache.exists()


def test_the_data_print_in_a_line():
    """The data's repr names it and its digest, not thousands of numbers."""
    assert repr(data.make_stand_in(1, 1)).startswith("MnistData(name='stand-in', sha256=")


def test_the_cache_folder_is_the_users_unless_named(monkeypatch):
    """DISTILLKIT_CACHE_DIR goes before the system's place for caches; ~ is the home folder."""
    monkeypatch.setenv("DISTILLKIT_CACHE_DIR", "~/kept")
    assert data.cache_folder() == Path.home() / "kept"
    monkeypatch.delenv("DISTILLKIT_CACHE_DIR")
    assert "distillkit" in data.cache_folder().parts


def test_importing_loads_no_heavy_library():
    """torch, torchvision, matplotlib and Pillow are imported where they are used."""
    program = (
        "import sys, distillkit.mnist.data.digits;"
        "print({'torch', 'torchvision', 'matplotlib', 'PIL', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


REAL = os.environ.get("DISTILLKIT_DATA")


@pytest.mark.mnist
def test_the_real_mnist_is_what_torchvision_reads():
    """60,000 and 10,000 images, the same floats as ToTensor and Normalize(0.5, 0.5), the known classes."""
    from torchvision import datasets, transforms

    mnist = data.load_mnist(Path(str(REAL)))
    assert mnist.train_images.shape == (60_000, 784)
    assert mnist.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.sha256 == "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    theirs = datasets.MNIST(str(REAL), train=False, transform=transform)
    for index in range(0, 10_000, 97):
        image, label = theirs[index]
        assert torch.equal(image.reshape(-1), mnist.test_images[index])
        assert label == mnist.test_labels[index]
