"""Random changes to training pictures that leave their labels valid, such as those a camera makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app.pictures import degrade
from edge_app.pictures.opencv import cv2
from edge_app.records import Pixels

GREY = 121  # CIFAR-10's mean, fills cut-out squares


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which changes to make, and how strong.

    Attributes:
        mirror: whether pictures may be mirrored left to right.
        shift_px: largest shift along each axis; the gap is filled with the mirrored edge.
        zoom: largest relative change of size; one picture in four is zoomed.
        cutout_px: side of the square greyed out at a random place (DeVries and Taylor 2017); 0 for none.
        camera: share of pictures degraded as by a bad camera.
        mixed: share of pictures that get a rectangle from another one (CutMix, Yun et al. 2019).
    """

    mirror: bool = True
    shift_px: int = 4
    zoom: float = 0.15
    cutout_px: int = 0
    camera: float = 0.35
    mixed: float = 0.0


ZOOMED = 0.25  # share of pictures
# A picture gets each of the bad camera's changes with probability one half. The ranges go a little beyond
# `degrade.STANDARD`, so that an evaluation does not test at the edge of what the network has learned.
EACH = 0.5
BLUR_PX = (0.3, 1.2)
EXPOSURE = (0.5, 1.5)
CAST = (0.72, 1.28)
NOISE = (2.0, 16.0)
QUALITY = (45, 96)


def augment(
    pictures: npt.NDArray[np.uint8], mirrored: npt.NDArray[np.bool_], how: Augmentation, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change each picture at random.

    Args:
        pictures: (N, H, W, 3) uint8, RGB.
        mirrored: (N,) True where to mirror.
        how: the changes to make.
        generator: source of randomness; the same state gives the same pictures.

    Returns:
        (N, H, W, 3) uint8, a new array.
    """
    count = len(pictures)
    changed = np.where(mirrored[:, None, None, None], pictures[:, :, ::-1], pictures)
    shifts = generator.integers(-how.shift_px, how.shift_px + 1, (count, 2))
    zooms = np.where(generator.random(count) < ZOOMED, 1 + how.zoom * generator.uniform(-1, 1, count), 1.0)
    degraded = generator.random(count) < how.camera
    for place in range(count):
        picture = move(changed[place], shifts[place], zooms[place])
        if degraded[place]:
            picture = through_a_bad_camera(picture, generator)
        changed[place] = picture
    if how.cutout_px:
        cut_out(changed, how.cutout_px, generator)
    return changed


def move(picture: Pixels, shift_px: npt.NDArray[np.int64], zoom: float) -> Pixels:
    """Shift a picture right and down and zoom around its centre; fill gaps with the mirrored edge."""
    height, width = picture.shape[:2]
    right, down = shift_px
    # Three pictures in four are only shifted, by whole pixels: a border and a slice do that without resampling.
    if zoom == 1.0:
        left, top = max(right, 0), max(down, 0)
        padded = cv2.copyMakeBorder(
            picture, top, max(-down, 0), left, max(-right, 0), borderType=cv2.BORDER_REFLECT_101
        )
        y, x = max(-down, 0), max(-right, 0)
        return padded[y : y + height, x : x + width]
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[zoom, 0, middle_x * (1 - zoom) + right], [0, zoom, middle_y * (1 - zoom) + down]], np.float64)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def through_a_bad_camera(picture: Pixels, generator: np.random.Generator) -> Pixels:
    """Maybe blur, expose, tint, add noise, compress: each at random, in the order of a camera."""
    blurred, exposed, tinted, noisy, compressed = generator.random(5) < EACH
    if blurred:
        picture = degrade.blur(picture, generator.uniform(*BLUR_PX))
    exposure = generator.uniform(*EXPOSURE) if exposed else 1.0
    tint = generator.uniform(*CAST, 3) if tinted else np.ones(3)
    if exposed or tinted:
        picture = degrade.gain(picture, *(exposure * tint))
    if noisy:
        picture = degrade.noise(picture, generator.uniform(*NOISE), generator)
    return degrade.jpeg(picture, int(generator.integers(*QUALITY))) if compressed else picture


def cut_out(pictures: npt.NDArray[np.uint8], side_px: int, generator: np.random.Generator) -> None:
    """Grey out a square of each picture, in place; it may extend beyond the edge."""
    count, height, width, _ = pictures.shape
    middles = generator.integers(0, (height, width), (count, 2))
    for picture, (y, x) in zip(pictures, middles - side_px // 2, strict=True):
        # A negative index would count from the far edge, so both ends are clipped at zero.
        picture[max(y, 0) : max(y + side_px, 0), max(x, 0) : max(x + side_px, 0)] = GREY


def mix(
    pictures: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32], share: float, generator: np.random.Generator
) -> None:
    """Paste rectangles of other pictures into some, in place, and mix their targets by area (Yun et al. 2019).

    Args:
        pictures: (N, H, W, 3) uint8.
        targets: (N, classes) probabilities.
        share: share of pictures to change.
        generator: source of randomness. A rectangle's share of the picture is uniform, before clipping at the edges.
    """
    count, height, width, _ = pictures.shape
    others = generator.permutation(count)
    # The root makes the area uniform, not the side.
    sides = np.sqrt(generator.random(count))
    middles = generator.random((count, 2))
    # Indexing with an array copies: rectangles come from the pictures as they were, not from ones already mixed.
    sources, labels = pictures[others], targets[others]
    for place in np.flatnonzero(generator.random(count) < share):
        half = sides[place] / 2
        top, bottom = np.rint(np.clip(middles[place, 0] + (-half, half), 0, 1) * height).astype(int)
        left, right = np.rint(np.clip(middles[place, 1] + (-half, half), 0, 1) * width).astype(int)
        pictures[place, top:bottom, left:right] = sources[place, top:bottom, left:right]
        covered = (bottom - top) * (right - left) / (height * width)
        targets[place] += covered * (labels[place] - targets[place])
