"""The stand-in: the same digits everywhere, and digits that can be learnt."""

from __future__ import annotations

import numpy as np
import pytest

from distillkit.errors import ConfigurationError
from distillkit.mnist.data import stand_in as standin
from distillkit.mnist.data.idx import RawDigits


@pytest.fixture(scope="module")
def digits() -> RawDigits:
    """A stand-in of 3,000 and 1,000."""
    return standin.draw_stand_in(3000, 1000)


def arrays_equal(a: RawDigits, b: RawDigits) -> bool:
    """Whether all four arrays are the same."""
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_images_are_bytes_of_28_by_28(digits):
    """The arrays have MNIST's shapes and types."""
    assert [(a.shape, a.dtype) for a in digits] == [
        ((3000, 28, 28), np.uint8),
        ((3000,), np.uint8),
        ((1000, 28, 28), np.uint8),
        ((1000,), np.uint8),
    ]


def test_the_same_numbers_give_the_same_digits(digits):
    """A second drawing is equal byte for byte, and so is its digest."""
    again = standin.draw_stand_in(3000, 1000)
    assert arrays_equal(again, digits)
    assert again.sha256() == digits.sha256()


def test_fewer_digits_are_the_first_of_more(digits):
    """A smaller stand-in begins the larger one, also where it ends within a chunk."""
    fewer = standin.draw_stand_in(777, 3)
    assert arrays_equal(fewer, RawDigits(*(a[: len(b)] for a, b in zip(digits, fewer, strict=True))))


def test_another_seed_gives_other_digits(digits):
    """The seed changes images and labels."""
    other = standin.draw_stand_in(500, 500, seed=1)
    assert not np.array_equal(other.train_images, digits.train_images[:500])
    assert not np.array_equal(other.train_labels, digits.train_labels[:500])


def test_no_image_comes_twice(digits):
    """Train and test warps are distinct: no image of either is in the other, or there again."""
    seen = {image.tobytes() for image in (*digits.train_images, *digits.test_images)}
    assert len(seen) == 4000


def test_classes_are_balanced_and_mixed(digits):
    """Every 500 images have 50 of each class, not in the order of the classes."""
    for part in digits.train_labels.reshape(-1, 500):
        assert np.bincount(part, minlength=10).tolist() == [50] * 10
        assert (np.diff(part.astype(int)) < 0).sum() > 100


def test_digits_are_ink_on_an_empty_ground(digits):
    """Every image has strong ink on some of its pixels, and nearly every corner is empty."""
    images = digits.train_images
    share = (images > 0).mean(axis=(1, 2))
    assert images.max(axis=(1, 2)).min() > 100
    assert 0.05 < share.min() < share.max() < 0.9
    assert (images[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).mean() > 0.99


def test_every_style_has_ten_different_glyphs():
    """No font lacks a digit: within a style no two glyphs are alike, and all have an empty margin."""
    glyphs = standin._draw_glyphs().astype(int)
    assert glyphs.shape == (10, len(standin.FONTS) * 6, 56, 56)
    for a in range(10):
        for b in range(a):
            assert np.abs(glyphs[a] - glyphs[b]).mean(axis=(1, 2)).min() > 3
    assert glyphs[:, :, [0, -1], :].max() == glyphs[:, :, :, [0, -1]].max() == 0


def test_digits_can_be_learnt(digits):
    """The nearest of 3,000 training images has the right class for more than 70 % of the test images."""
    train, test = (
        images.reshape(len(images), -1).astype(np.float64)
        for images in (digits.train_images, digits.test_images)
    )
    squares = (train**2).sum(axis=1) - 2 * test @ train.T
    guessed = digits.train_labels[squares.argmin(axis=1)]
    assert (guessed == digits.test_labels).mean() > 0.7


def test_the_warp_gives_the_same_bytes_on_every_machine(monkeypatch):
    """With glyphs that no font library drew, the digest is the one that was written down."""
    ramp = np.arange(10 * 3 * 56 * 56, dtype=np.uint32) * 2654435761 >> 24
    glyphs = ramp.astype(np.uint8).reshape(10, 3, 56, 56)
    monkeypatch.setattr(standin, "_draw_glyphs", lambda: glyphs)
    digits = standin.draw_stand_in(1000, 500)
    assert digits.sha256() == "e190fe0789cab5a4ce2d99d6065fbace92c180a79653bc20e6e6c3926995d747"


def test_sampling_is_bilinear():
    """On the glyph's grid the glyph comes back; between its pixels, their mean; outside, its edge."""
    glyph = np.random.default_rng(0).integers(0, 256, (1, 56, 56)).astype(np.uint8)
    rows, columns = (p.reshape(1, -1) for p in np.mgrid[0:55, 0:55])
    which = np.zeros(1, dtype=np.intp)

    def at(x, y):
        return standin._sample(glyph.reshape(1, -1), which, (x - 27.5) / 2, (y - 27.5) / 2)

    inner = glyph[0].astype(int)
    np.testing.assert_array_equal(at(columns, rows)[0], inner[:55, :55].ravel())
    between = (inner[:55, :55] + inner[:55, 1:]).ravel() // 2
    np.testing.assert_array_equal(at(columns + 0.5, rows)[0], between)
    np.testing.assert_allclose(at(np.full((1, 1), -90.0), np.full((1, 1), 90.0)), inner[-1, 0], atol=2)


@pytest.mark.parametrize(("n_train", "n_test", "seed"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_bad_numbers_are_refused(n_train, n_test, seed):
    """An empty part or a negative seed is one sentence that names what came."""
    with pytest.raises(ConfigurationError, match=f"n_train={n_train}, n_test={n_test} and seed={seed}"):
        standin.draw_stand_in(n_train, n_test, seed=seed)


def test_progress_counts_the_images():
    """It grows with each chunk and ends at the number of images."""
    calls = []
    standin.draw_stand_in(600, 10, progress=lambda *call: calls.append(call))
    assert calls == [("stand-in", 500, 610), ("stand-in", 600, 610), ("stand-in", 610, 610)]


@pytest.fixture
def drawings(monkeypatch, digits) -> list[int]:
    """Exchanges the full drawing for the small one; one entry for each time that it is drawn."""
    drawn: list[int] = []

    def draw(progress=None):
        drawn.append(1)
        return digits

    monkeypatch.setattr(standin, "draw_stand_in", draw)
    return drawn


def test_the_cache_spares_the_drawing(drawings, digits, tmp_path):
    """The second time nothing is drawn, and the digits are the same."""
    for _ in range(2):
        assert arrays_equal(standin.load_stand_in(tmp_path / "cache"), digits)
    assert len(drawings) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "no zip", "altered", "other"])
def test_a_damaged_cache_is_drawn_anew(damage, drawings, digits, tmp_path):
    """What is not what was put there is replaced, without a word."""
    standin.load_stand_in(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if damage == "altered":
        altered = digits._replace(train_labels=(digits.train_labels + 1) % 10)
        with path.open("wb") as file:
            np.savez(file, sha256=np.array(digits.sha256()), **altered._asdict())
    elif damage == "other":
        with path.open("wb") as file:
            np.savez(file, something=np.zeros(3))
    else:
        path.write_bytes({"cut": whole[:-100], "empty": b"", "no zip": b"x" * 1000}[damage])
    assert arrays_equal(standin.load_stand_in(tmp_path), digits)
    assert len(drawings) == 2
    assert arrays_equal(standin.load_stand_in(tmp_path), digits)
    assert len(drawings) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(drawings, digits, tmp_path):
    """The digits come, and nothing is left behind."""
    (tmp_path / "cache").write_text("a file, not a folder")
    assert arrays_equal(standin.load_stand_in(tmp_path / "cache"), digits)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
