"""Shrinking by whole numbers: every kind of picture shrinks by halving, as often as the size asked for allows.

OpenCV averages 2x2 pixels with SIMD instructions, and areas of any other size three to ten times as slowly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2


def whole_factor(width_px: int, height_px: int, min_side_px: int | None) -> int:
    """Return by which whole number both sides may be divided and the short one still keep `min_side_px`."""
    return 1 if min_side_px is None else max(1, min(width_px, height_px) // min_side_px)


def halved(pixels: npt.NDArray[np.uint8], min_side_px: int) -> npt.NDArray[np.uint8]:
    """Halve both sides as often as the short one keeps `min_side_px`."""
    while min(pixels.shape[:2]) >= 2 * min_side_px:
        size = pixels.shape[1] // 2, pixels.shape[0] // 2
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return pixels
