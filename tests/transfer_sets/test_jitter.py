"""Images shifted by a few pixels, against a brute-force shift."""

from __future__ import annotations

from collections import Counter

import pytest
import scipy.stats
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import random_integers
from distillkit.transfer_sets import Jitter
from views import inputs_seen


def shifted(image: Tensor, down: int, right: int, fill: float) -> Tensor:
    """One image moved pixel by pixel."""
    channels, height, width = image.shape
    moved = torch.full_like(image, fill)
    for channel in range(channels):
        for row in range(height):
            for column in range(width):
                if 0 <= row - down < height and 0 <= column - right < width:
                    moved[channel, row, column] = image[channel, row - down, column - right]
    return moved


def shifts_of(jitter: Jitter, number: int, epoch: int) -> tuple[int, int]:
    """The two shifts, each equally likely, of an image of an epoch: streams 0 and 1."""
    n, image = jitter.pixels, torch.tensor([number])
    down = random_integers(image, low=-n, high=n, seed=jitter.seed, epoch=epoch, stream=0)
    right = random_integers(image, low=-n, high=n, seed=jitter.seed, epoch=epoch, stream=1)
    return int(down), int(right)


@pytest.mark.parametrize("pixels", [1, 2, 5, 9])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", [0.0, -0.4242])
def test_equals_a_brute_force_shift(pixels: int, channels: int, fill: float) -> None:
    """Each image is moved as a loop over its pixels moves it; what leaves is gone, and the fill comes in."""
    images = torch.rand(8, channels, 5, 7, generator=torch.Generator().manual_seed(0)) + 1
    jitter = Jitter(pixels=pixels, fill=fill, seed=3)
    numbers = torch.tensor([0, 5, 17, 2, 59_999, 8, 9, 10])
    found = inputs_seen(jitter, images, epoch=4, indices=numbers)
    for image, moved, number in zip(images, found, numbers.tolist(), strict=True):
        assert torch.equal(moved, shifted(image, *shifts_of(jitter, number, 4), fill))


def where_it_went(jitter: Jitter, count: int, epoch: int = 0) -> list[tuple[int, int]]:
    """How far the one bright pixel in the middle of each image went."""
    side = 2 * jitter.pixels + 1
    images = torch.zeros(count, 1, side, side)
    images[:, :, jitter.pixels, jitter.pixels] = 1
    places = inputs_seen(jitter, images, epoch=epoch, indices=torch.arange(count)).flatten(1).argmax(1)
    return [(place // side - jitter.pixels, place % side - jitter.pixels) for place in places.tolist()]


@pytest.mark.parametrize("pixels", [1, 2])
def test_every_shift_of_the_square_is_equally_frequent(pixels: int) -> None:
    """All (2n + 1)² shifts occur, uniformly (chi-square over 20,000 images)."""
    counts = Counter(where_it_went(Jitter(pixels=pixels), 20_000))
    assert len(counts) == (2 * pixels + 1) ** 2
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_rounded_shifts_are_those_of_rounding(pixels: int) -> None:
    """Rounded shifts are as frequent as a rounded real number in [−n, n] has them: the ends half as often."""
    counts = Counter(down for down, _ in where_it_went(Jitter(pixels=pixels, shifts="rounded"), 20_000))
    assert sorted(counts) == list(range(-pixels, pixels + 1))
    expected = [20_000 / (4 * pixels) * (1 if abs(down) == pixels else 2) for down in sorted(counts)]
    assert scipy.stats.chisquare([counts[down] for down in sorted(counts)], expected).pvalue > 1e-3


def test_a_pixel_shifted_out_is_gone() -> None:
    """An image that is one bright corner is either still bright, or all background."""
    images = torch.zeros(200, 1, 4, 4)
    images[:, :, 0, 0] = 1
    sums = inputs_seen(Jitter(pixels=2, fill=0), images, epoch=0, indices=torch.arange(200)).sum((1, 2, 3))
    assert set(sums.tolist()) == {0.0, 1.0}


def test_epochs_and_seeds_differ() -> None:
    """An image moves anew in each epoch, and under another seed; the same of both is the same."""
    plain = where_it_went(Jitter(pixels=2), 1000)
    assert plain == where_it_went(Jitter(pixels=2), 1000)
    for seed, epoch in ((0, 1), (1, 0)):
        other = where_it_went(Jitter(pixels=2, seed=seed), 1000, epoch=epoch)
        same = sum(a == b for a, b in zip(plain, other, strict=True))
        assert 10 < same < 80  # one in 25 by chance


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    """Images come back in the type they had."""
    images = torch.ones(3, 1, 4, 4, dtype=dtype)
    assert inputs_seen(Jitter(pixels=1), images, epoch=0, indices=torch.arange(3)).dtype == dtype


@pytest.mark.parametrize("shape", [(5, 784), (5, 28, 28), (5, 1, 1, 28, 28)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    """Inputs without a height and a width are one sentence that says what to do."""
    with pytest.raises(ConfigurationError, match=r"\[batch, channels, height, width\], got \[5, "):
        inputs_seen(Jitter(pixels=1), torch.zeros(shape), epoch=0, indices=torch.arange(5))


def test_inputs_by_name_are_refused() -> None:
    """A mapping of inputs is no image either, and is refused in the same words."""
    with pytest.raises(ConfigurationError, match=r"Jitter shifts images of shape .*, got dict"):
        inputs_seen(Jitter(pixels=1), {"image": torch.zeros(5, 1, 4, 4)}, epoch=0, indices=torch.arange(5))


@pytest.mark.parametrize(
    "settings", [{"pixels": 0}, {"pixels": -1}, {"pixels": 1.5}, {"fill": float("nan")}, {"seed": 2**63}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    """Pixels are a whole number ≥ 1, the fill is finite, a seed fits 63 bits."""
    with pytest.raises(ConfigurationError, match=rf"^{next(iter(settings))}: .*, got"):
        Jitter(**{"pixels": 1, **settings})  # type: ignore[arg-type]
