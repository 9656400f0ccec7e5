"""Crop and downsample, which have a single definition."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import CropOutside
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.records import Box, Crop

NOISE = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
sides = st.integers(1, 3000)
small = st.integers(1, 300)


def test_a_patch_of_the_models_size_is_untouched() -> None:
    """A data-set picture reaches the model bit for bit: training and camera share this function."""
    pixels = np.random.default_rng(4).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(preprocess.patch(ArrayPicture(pixels), (32, 32)), pixels)


def test_patch_is_the_area_average_of_the_centre() -> None:
    """Where the steps divide evenly, a patch is the mean of square blocks, within the rounding of two steps."""
    exact = NOISE[:448, 96:544].astype(float).reshape(32, 14, 32, 14, 3).mean((1, 3))
    patch = preprocess.patch(ArrayPicture(NOISE[:448]), (32, 32))
    assert patch.shape == (32, 32, 3)
    assert patch.dtype == np.uint8
    assert np.abs(patch - exact).max() <= 1.0


def test_patch_of_noise_is_nearly_the_area_average() -> None:
    """Where they do not, a noisy sensor's picture (sigma 12) differs by less than half a grey level on average."""
    noisy = np.random.default_rng(5).normal(128, 12, (480, 640, 3)).clip(0, 255).astype(np.uint8)
    exact = noisy[:, 80:560].astype(float).reshape(32, 15, 32, 15, 3).mean((1, 3))
    assert np.abs(preprocess.patch(ArrayPicture(noisy), (32, 32)) - exact).mean() < 0.5


@given(sides, sides, small, small)
def test_center_box_is_the_largest_in_the_middle(width: int, height: int, patch_width: int, patch_height: int) -> None:
    """The centre box lies within the picture, is centred and has the patch's shape, up to the grid of 8 pixels."""
    box = preprocess.center_box((width, height), (patch_height, patch_width))
    right, bottom = width - box.left - box.width_px, height - box.top - box.height_px
    assert min(box.left, box.top, right, bottom) >= 0
    large = min(width, height) >= 2 * preprocess.min_side_px((patch_height, patch_width))
    slack = 16 if large else 1
    assert abs(box.left - right) <= slack
    assert abs(box.top - bottom) <= slack
    scale = min(width / patch_width, height / patch_height)
    assert abs(box.width_px - max(1, patch_width * scale)) <= slack
    assert abs(box.height_px - max(1, patch_height * scale)) <= slack


@given(sides, sides)
def test_center_box_lies_on_the_grid_of_reduced_decoding(width: int, height: int) -> None:
    """Where a JPEG is decoded at 1/k, the box's edges are multiples of k: cheap and full see the same part."""
    box = preprocess.center_box((width, height), (32, 32))
    factor = min(box.width_px, box.height_px) // preprocess.min_side_px((32, 32))
    scale = max(s for s in (1, 2, 4, 8) if s <= max(1, factor))
    assert all(edge % scale == 0 for edge in (box.left, box.top, box.width_px, box.height_px))


@given(st.integers(1, 80), st.integers(1, 80), st.sampled_from(["center", "fit", "squash"]))
def test_any_picture_gives_a_patch(width: int, height: int, mode: Literal["center", "fit", "squash"]) -> None:
    """Pictures of any size, one pixel included, give a patch of the model's size."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    patch = preprocess.patch(ArrayPicture(pixels), (24, 40), Crop(mode))
    assert patch.shape == (24, 40, 3)
    assert (patch == 90).any()


def test_fit_keeps_everything_between_grey_bars() -> None:
    """Fit shows the whole width; what the shape leaves over is grey."""
    pixels = np.zeros((100, 200, 3), np.uint8)
    patch = preprocess.patch(ArrayPicture(pixels), (32, 32), Crop("fit"))
    assert (patch[8:24] == 0).all()
    assert (patch[:8] == preprocess.LETTERBOX_GREY).all()
    assert (patch[24:] == preprocess.LETTERBOX_GREY).all()


def test_squash_and_box() -> None:
    """Squash takes the whole picture; a box takes exactly its pixels."""
    squashed = preprocess.patch(ArrayPicture(NOISE), (32, 32), Crop("squash"))
    exact = NOISE.astype(float).reshape(32, 15, 32, 20, 3).mean((1, 3))
    assert np.abs(squashed - exact).mean() < 1.0
    boxed = preprocess.patch(ArrayPicture(NOISE), (32, 32), Crop("box", Box(100, 50, 64, 64)))
    assert np.abs(boxed - NOISE[50:114, 100:164].astype(float).reshape(32, 2, 32, 2, 3).mean((1, 3))).max() <= 0.51


def test_a_box_outside_the_picture_is_an_error() -> None:
    """A crop that does not fit the camera's picture says so, with both sizes."""
    with pytest.raises(CropOutside, match="700,0,100,100 lies outside the picture of 640x480"):
        preprocess.patch(ArrayPicture(NOISE), (32, 32), Crop("box", Box(700, 0, 100, 100)))


def test_sampling_instead_of_averaging_would_show() -> None:
    """The comparison is meaningful: bilinear sampling of the same picture is far from the area average."""
    exact = NOISE[:, 80:560].astype(float).reshape(32, 15, 32, 15, 3).mean((1, 3))
    sampled = cv2.resize(NOISE[:, 80:560], (32, 32), interpolation=cv2.INTER_LINEAR)
    assert np.abs(sampled - exact).mean() > 20
