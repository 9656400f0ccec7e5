"""Random changes to training pictures: what a camera may do to one without changing its label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app.pictures import degrade
from edge_app.pictures.opencv import cv2
from edge_app.records import Pixels

GREY = 121  # CIFAR-10's mean: what a cut-out square is filled with


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is changed.

    Attributes:
        mirror: whether left and right may be exchanged.
        shift_px: largest move along both axes; the edge is mirrored into the gap.
        zoom: largest relative change of size, of every fourth picture.
        cutout_px: side of a square that is greyed out somewhere (DeVries and Taylor 2017); 0 for none.
        camera: share of pictures that go through a bad camera.
        mixed: share of pictures that get a rectangle of another one (CutMix, Yun et al. 2019).
    """

    mirror: bool = True
    shift_px: int = 4
    zoom: float = 0.15
    cutout_px: int = 0
    camera: float = 0.35
    mixed: float = 0.0


ZOOMED = 0.25
# Of each change of a bad camera, half of the pictures that go through it get it; ranges reach a little further than
# what `degrade.STANDARD` measures, so that those are not the edge of what the network knows.
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
        mirrored: (N,) which to mirror.
        how: how much.
        generator: decides; the same state gives the same pictures.

    Returns:
        (N, H, W, 3) uint8, a new array.
    """
    count = len(pictures)
    changed = np.where(mirrored[:, None, None, None], pictures[:, :, ::-1], pictures)
    shifts = generator.integers(-how.shift_px, how.shift_px + 1, (count, 2))
    zooms = np.where(generator.random(count) < ZOOMED, 1 + how.zoom * generator.uniform(-1, 1, count), 1.0)
    spoilt = generator.random(count) < how.camera
    for place in range(count):
        picture = move(changed[place], shifts[place], zooms[place])
        if spoilt[place]:
            picture = through_a_bad_camera(picture, generator)
        changed[place] = picture
    if how.cutout_px:
        cut_out(changed, how.cutout_px, generator)
    return changed


def move(picture: Pixels, shift_px: npt.NDArray[np.int64], zoom: float) -> Pixels:
    """Shift a picture right and down and zoom around its middle; what comes from outside is mirrored."""
    height, width = picture.shape[:2]
    right, down = shift_px
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
    """Blur, expose, tint, add noise, compress: each or not, in the order in which a camera does it."""
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
    """Grey out a square of each picture, in place; it may reach over the edge."""
    count, height, width, _ = pictures.shape
    middles = generator.integers(0, (height, width), (count, 2))
    for picture, (y, x) in zip(pictures, middles - side_px // 2, strict=True):
        picture[max(y, 0) : max(y + side_px, 0), max(x, 0) : max(x + side_px, 0)] = GREY


def mix(
    pictures: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32], share: float, generator: np.random.Generator
) -> None:
    """Paste a rectangle of another picture into some, in place, and divide their targets by area (Yun et al. 2019).

    Args:
        pictures: (N, H, W, 3) uint8.
        targets: (N, classes) probabilities.
        share: of pictures to change.
        generator: decides. The share of a picture that the rectangle covers is uniform, before its edges are cut.
    """
    count, height, width, _ = pictures.shape
    others = generator.permutation(count)
    sides = np.sqrt(generator.random(count))
    middles = generator.random((count, 2))
    sources, labels = pictures[others], targets[others]
    for place in np.flatnonzero(generator.random(count) < share):
        half = sides[place] / 2
        top, bottom = np.rint(np.clip(middles[place, 0] + (-half, half), 0, 1) * height).astype(int)
        left, right = np.rint(np.clip(middles[place, 1] + (-half, half), 0, 1) * width).astype(int)
        pictures[place, top:bottom, left:right] = sources[place, top:bottom, left:right]
        covered = (bottom - top) * (right - left) / (height * width)
        targets[place] += covered * (labels[place] - targets[place])
