"""Turns a picture into the model's input: crop, then downsampling by area averaging.

The camera, training and evaluation share this one definition.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from edge_app.errors import CropOutside
from edge_app.metering import Lap, no_lap
from edge_app.pictures.opencv import cv2
from edge_app.records import Box, Crop, Picture, Pixels

# With this many pixels per patch pixel along each side, a JPEG decoded at a reduced scale differs from the full-size
# area average by 0.65 grey levels on average (photographs at 640x480, tests/pictures/test_agreement.py).
OVERSAMPLING = 3.5

LETTERBOX_GREY = 114  # The padding of object detectors (YOLO); close to CIFAR-10's mean of 121.


def min_side_px(shape: tuple[int, int]) -> int:
    """Return how many pixels the short side of the crop needs so that shrinking it again costs no quality.

    Args:
        shape: height and width of the patch.
    """
    return math.ceil(OVERSAMPLING * min(shape))


def patch(picture: Picture, shape: tuple[int, int], crop: Crop = Crop(), lap: Lap = no_lap) -> Pixels:
    """Cut and shrink a picture to the model's input.

    Args:
        picture: the picture from the source.
        shape: height and width of the patch.
        crop: which part of the picture.
        lap: called when it is decoded, and when it is shrunk.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        PictureError: the picture cannot be decoded, or (CropOutside) the crop lies outside it.
    """
    height, width = shape
    pixels = picture.rgb(_box(picture.size_px, shape, crop), min_side_px(shape))
    lap("decode")
    small = _letterbox(pixels, shape) if crop.mode == "fit" else shrink(pixels, (width, height))
    lap("shrink")
    return small


def _box(size_px: tuple[int, int], shape: tuple[int, int], crop: Crop) -> Box:
    width, height = size_px
    if crop.mode == "center":
        return center_box(size_px, shape)
    if crop.box is None:
        return Box(0, 0, width, height)
    box = crop.box
    if box.left + box.width_px > width or box.top + box.height_px > height:
        raise CropOutside(
            f"crop {crop} lies outside the picture of {width}x{height}", "choose another --crop or --size"
        )
    return box


def shrink(pixels: Pixels, size_px: tuple[int, int]) -> Pixels:
    """Shrink by area averaging, fast.

    OpenCV averages whole pixels two to ten times as fast as fractions of pixels, and 2x2 pixels faster still. So the
    picture is first resized to the nearest multiple of the size by linear interpolation, then halved as often as that
    multiple allows. For photographs with at least 3.5 pixels per result pixel, as from cameras, the mean distance from
    the exact average grows by 0.04 to 0.2 grey levels; in the worst case, 2.5 pixels, by 0.4.

    Args:
        pixels: (H, W, 3) uint8.
        size_px: width and height.
    """
    width, height = size_px
    across, down = round(pixels.shape[1] / width), round(pixels.shape[0] / height)
    if across > 1 and down > 1:
        if (across * width, down * height) != (pixels.shape[1], pixels.shape[0]):
            pixels = cv2.resize(pixels, (across * width, down * height), interpolation=cv2.INTER_LINEAR)
        while across % 2 == down % 2 == 0:
            across, down = across // 2, down // 2
            pixels = cv2.resize(pixels, (across * width, down * height), interpolation=cv2.INTER_AREA)
    if (pixels.shape[1], pixels.shape[0]) == size_px:
        return pixels
    return cv2.resize(pixels, size_px, interpolation=cv2.INTER_AREA)


@lru_cache
def center_box(size_px: tuple[int, int], shape: tuple[int, int]) -> Box:
    """Return the largest box with the patch's aspect ratio in the middle of a picture of `size_px` (width, height).

    Its edges lie on the pixel grid of a reduced JPEG decode (1, 2, 4 or 8 pixels). Off that grid, the reduced picture
    would be shifted by up to half a grid pixel, an error of 2 grey levels on average.
    """
    width, height = size_px
    scale = min(width / shape[1], height / shape[0])
    grid = _grid_px(round(min(shape) * scale), min_side_px(shape))
    box_width, box_height = (max(1, round(side * scale) // grid * grid) for side in reversed(shape))
    left, top = (width - box_width) // 2 // grid * grid, (height - box_height) // 2 // grid * grid
    return Box(left, top, box_width, box_height)


def _grid_px(side_px: int, needed_px: int) -> int:
    return max(grid for grid in (1, 2, 4, 8) if grid == 1 or side_px // grid >= needed_px)


def _letterbox(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    height, width = shape
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    inner = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    filled = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    filled[top : top + inner[1], left : left + inner[0]] = shrink(pixels, inner)
    return filled
