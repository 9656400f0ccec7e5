"""Each degradation has the strength that the documentation gives."""

from __future__ import annotations

import numpy as np
import pytest

from edge_app.pictures import degrade

GENERATOR = np.random.default_rng(5)
PICTURE = GENERATOR.integers(0, 256, (32, 32, 3)).astype(np.uint8)
GREY = np.full((64, 64, 3), 100, np.uint8)


@pytest.mark.parametrize("name", degrade.STANDARD)
def test_each_is_repeatable_and_leaves_its_argument_alone(name: str) -> None:
    """The same seed gives the same pixels, of the same shape, as a new array."""
    before = PICTURE.copy()
    first, again = (degrade.STANDARD[name](PICTURE, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == PICTURE.shape and first.dtype == np.uint8
    assert np.array_equal(PICTURE, before)
    assert not np.array_equal(first, PICTURE)


def test_noise_has_its_sigma_in_every_channel() -> None:
    """On flat grey each channel's standard deviation is sigma, and the mean stays."""
    noisy = degrade.noise(GREY, 12.0, np.random.default_rng(1)).astype(float)
    assert noisy.std((0, 1)) == pytest.approx([12, 12, 12], rel=0.05)
    assert noisy.mean() == pytest.approx(100, abs=0.5)


def test_gain_multiplies_and_clips() -> None:
    """Red is doubled and stops at 255, green stays, blue is halved."""
    pixels = np.full((2, 2, 3), 150, np.uint8)
    assert degrade.gain(pixels, 2.0, 1.0, 0.5)[0, 0].tolist() == [255, 150, 75]


def test_exposure_is_forty_percent_either_way() -> None:
    """Grey 100 becomes 60 and 140."""
    dark, bright = (degrade.STANDARD[f"exposure {sign}40 %"](GREY, GENERATOR) for sign in "-+")
    assert (dark == 60).all() and (bright == 140).all()


def test_casts_are_warm_and_cold() -> None:
    """The warm cast has more red than blue, the cold one the reverse."""
    warm, cold = (degrade.STANDARD[name](GREY, GENERATOR)[0, 0].astype(int) for name in ("warm cast", "cold cast"))
    assert warm[0] > warm[1] > warm[2] and cold[0] < cold[1] < cold[2]


def test_jpeg_halves_the_colours_resolution() -> None:
    """4:2:0: a one-pixel red and blue checkerboard of one brightness comes back with far less colour contrast."""
    board = np.indices((32, 32)).sum(0) % 2
    pixels = np.where(board[..., None] == 0, (160, 60, 40), (40, 90, 160)).astype(np.uint8)
    back = degrade.jpeg(pixels, 95).astype(int)
    assert np.ptp(back[..., 0] - back[..., 2]) < 0.5 * np.ptp(pixels[..., 0].astype(int) - pixels[..., 2])


def test_jpeg_keeps_red_red() -> None:
    """Channel order survives: a red picture is red afterwards."""
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(degrade.jpeg(red, 90).astype(int) - red).max() < 6


def test_blur_has_its_sigma() -> None:
    """A single white pixel becomes a Gaussian: its peak is 1 / (2 pi sigma^2) of it."""
    point = np.zeros((33, 33, 3), np.uint8)
    point[16, 16] = 255
    peak = degrade.STANDARD["blur sigma 1"](point, GENERATOR)[16, 16, 0]
    assert peak == pytest.approx(255 / (2 * np.pi), abs=2)
