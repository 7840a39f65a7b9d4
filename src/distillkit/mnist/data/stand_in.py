"""The stand-in for MNIST: digits of the fonts that matplotlib carries, drawn and bent, always the same."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from distillkit.errors import ConfigurationError
from distillkit.mnist.data.idx import Bytes, RawDigits
from distillkit.workbench.results.atomic import write_atomically

if TYPE_CHECKING:
    from PIL import ImageFont

    from distillkit.mnist.data.download import Progress

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int32]

FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
"""matplotlib's fonts that have digits where ASCII has them."""

SIDE = 28
"""Pixels of an image's side."""

_VERSION = 1  # of the drawing: raise it with every change of what is drawn
_STROKES = (0, 4, 8)  # pixels of the pen that the outlines are drawn with, at 8 times the size
_BLURS = (0.8, 1.6)  # of the glyphs, in their pixels; without any, sampling them would alias
_GLYPH = 2 * SIDE  # glyphs are kept at twice the size
_CHUNK = 500  # images drawn together, from a random stream of their own
_KNOTS = 4  # of the elastic warp, along each side
_TRAIN, _TEST = 0, 1


def draw_stand_in(
    n_train: int = 60_000, n_test: int = 10_000, *, seed: int = 0, progress: Progress | None = None
) -> RawDigits:
    """Draw the stand-in: the same numbers give the same bytes, and fewer images are the first of more.

    Each image is a digit of one of 22 fonts, with one of three pens, rotated, sheared, scaled, shifted and
    bent: at pixel p it is the glyph at A (p + d(p) - t), with a random matrix A, shift t and smooth field d.
    Train and test images come from the same fonts and from different random streams.

    Args:
        n_train: Training images, at least 1.
        n_test: Test images, at least 1.
        seed: Of the random streams, at least 0.
        progress: Told of the images as they are drawn.

    Returns:
        Images uint8 [n, 28, 28], ink 255 on 0; labels uint8 [n], every 500 images with 50 of each class.

    Raises:
        ConfigurationError: A number below its least value.

    Example:
        >>> digits = draw_stand_in(n_train=20, n_test=10)
        >>> digits.train_images.shape, digits.train_images.dtype.name
        ((20, 28, 28), 'uint8')
    """
    if n_train < 1 or n_test < 1 or seed < 0:
        raise ConfigurationError(
            "expected n_train and n_test of at least 1 and a seed of at least 0, "
            f"but got n_train={n_train}, n_test={n_test} and seed={seed}"
        )
    glyphs = _draw_glyphs()
    parts: list[tuple[Bytes, Bytes]] = []
    done = 0
    for split, size in ((_TRAIN, n_train), (_TEST, n_test)):
        images = np.empty((size, SIDE, SIDE), dtype=np.uint8)
        labels = np.empty(size, dtype=np.uint8)
        for first in range(0, size, _CHUNK):
            rng = np.random.default_rng([seed, split, first // _CHUNK])
            kept = slice(first, min(first + _CHUNK, size))
            count = kept.stop - first
            drawn, classes = _draw_chunk(rng, glyphs)
            images[kept], labels[kept] = drawn[:count], classes[:count]
            done += count
            if progress is not None:
                progress("stand-in", done, n_train + n_test)
        parts.append((images, labels))
    return RawDigits(*parts[0], *parts[1])


@functools.cache
def _draw_glyphs() -> Bytes:
    """Every digit in every style (font, pen, blur): uint8 [10, styles, 56, 56], with an empty margin."""
    # imported here for a quick start
    import matplotlib
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [
        ImageFont.truetype(str(folder / f"{name}.ttf"), 8 * SIDE, layout_engine=ImageFont.Layout.BASIC)
        for name in FONTS
    ]
    styles = [(font, pen, blur) for font in fonts for pen in _STROKES for blur in _BLURS]
    return np.array([[_draw_glyph(str(digit), *style) for style in styles] for digit in range(10)])


def _draw_glyph(digit: str, font: ImageFont.FreeTypeFont, pen: int, blur: float) -> Bytes:
    """One digit, as large as a square of 40 x 40 allows (MNIST's 20 x 20), in the middle of 56 x 56."""
    # imported here for a quick start
    from PIL import Image, ImageDraw, ImageFilter

    large = Image.new("L", (16 * SIDE, 16 * SIDE))
    ImageDraw.Draw(large).text((4 * SIDE, 4 * SIDE), digit, font=font, fill=255, stroke_width=pen)
    ink = large.crop(large.getbbox())
    scale = 40 / max(ink.size)
    width, height = (max(1, round(scale * length)) for length in ink.size)
    glyph = Image.new("L", (_GLYPH, _GLYPH))
    glyph.paste(
        ink.resize((width, height), Image.Resampling.BOX), ((_GLYPH - width) // 2, (_GLYPH - height) // 2)
    )
    return np.asarray(glyph.filter(ImageFilter.GaussianBlur(blur)))


def _draw_chunk(rng: np.random.Generator, glyphs: Bytes) -> tuple[Bytes, Bytes]:
    """`_CHUNK` images [n, 28, 28] and their labels [n]."""
    labels = np.argsort(rng.random(_CHUNK), kind="stable") % 10
    styles = (rng.random(_CHUNK) * glyphs.shape[1]).astype(np.intp)
    gain = 256 + (rng.random(_CHUNK) * 256).astype(np.int32)
    x, y = _warp(rng)
    ink = _sample(glyphs.reshape(-1, _GLYPH * _GLYPH), labels * glyphs.shape[1] + styles, x, y)
    images = np.minimum(ink * gain[:, None] >> 8, 255).astype(np.uint8)
    return images.reshape(_CHUNK, SIDE, SIDE), labels.astype(np.uint8)


def _warp(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Where each pixel of each image looks in its glyph: columns and rows, [n, 784] each, 0 in the middle."""

    def between(low: float, high: float, columns: int = 1) -> Floats:
        return low + (high - low) * rng.random((_CHUNK, columns))

    angle, shear = np.radians(between(-12, 12)), between(-0.2, 0.2)
    width, height = between(0.8, 1.1), between(0.8, 1.05)
    shift_x, shift_y = between(-1, 1), between(-1, 1)
    # The field is a sum of bumps (Gaussians) on a grid of knots.
    knots = np.linspace(-SIDE / 2, SIDE / 2, _KNOTS)
    pixels = np.arange(SIDE) - (SIDE - 1) / 2
    bumps = np.exp(-0.5 * ((pixels[:, None] - knots) / (SIDE / _KNOTS)) ** 2)
    field = np.kron(bumps, bumps).T
    bend_x, bend_y = between(-2, 2, _KNOTS**2) @ field, between(-2, 2, _KNOTS**2) @ field
    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    u = pixels[column] + bend_x - shift_x
    v = pixels[row] + bend_y - shift_y
    cosine, sine = np.cos(angle), np.sin(angle)
    x = (cosine * u + sine * v) / width
    y = (cosine * v - sine * u) / height
    return x + shear * y, y


def _sample(glyphs: Bytes, which: npt.NDArray[np.intp], x: Floats, y: Floats) -> Ints:
    """The glyphs at the points, bilinear, in fixed point: the same bytes on every machine.

    A last bit of a sine or of a matrix product, which differs between processors, is lost in the 256th of a
    pixel.
    """
    last = (_GLYPH - 1) * 256 - 1
    middle = (_GLYPH - 1) / 2
    x_fixed, y_fixed = (np.clip(np.rint(256 * (2 * p + middle)), 0, last).astype(np.int32) for p in (x, y))
    x_part, y_part = x_fixed & 255, y_fixed & 255
    start = (which * (_GLYPH * _GLYPH)).astype(np.int32)[:, None] + (y_fixed >> 8) * _GLYPH + (x_fixed >> 8)
    flat = glyphs.reshape(-1).astype(np.int32)
    upper = flat[start] * (256 - x_part) + flat[start + 1] * x_part
    lower = flat[start + _GLYPH] * (256 - x_part) + flat[start + _GLYPH + 1] * x_part
    ink: Ints = upper * (256 - y_part) + lower * y_part >> 16
    return ink


def load_stand_in(cache: Path, progress: Progress | None = None) -> RawDigits:
    """The full stand-in (60,000 and 10,000, seed 0), from the cache folder if it is there and intact.

    Otherwise it is drawn, and kept there where that folder can be written.
    """
    path = cache / f"stand-in-{_drawing_key()}.npz"
    kept = _read_kept(path)
    if kept is not None:
        return kept
    digits = draw_stand_in(progress=progress)
    buffer = io.BytesIO()
    np.savez(buffer, sha256=np.array(digits.sha256()), **digits._asdict())
    # Where it cannot be kept, only time is lost: it is drawn again next time.
    with contextlib.suppress(OSError):
        write_atomically(path, buffer.getvalue())
    return digits


def _drawing_key() -> str:
    """Names what the bytes depend on: this file's drawing, and the fonts and the library that draws them."""
    # imported here for a quick start
    import matplotlib
    import PIL
    from PIL import features

    drawing = (_VERSION, matplotlib.__version__, PIL.__version__, features.version("freetype2"))
    return hashlib.sha256(repr(drawing).encode()).hexdigest()[:12]


def _read_kept(path: Path) -> RawDigits | None:
    """Return what the cache holds; None where that is nothing, or not what was put there."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            digits = RawDigits(*(kept[name] for name in RawDigits._fields))
            return digits if digits.sha256() == str(kept["sha256"]) else None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
