"""Shrinks pictures by repeated halving, as often as the requested size allows.

OpenCV averages 2x2 pixels with SIMD instructions; areas of other sizes take three to ten times as long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2


def whole_factor(width_px: int, height_px: int, min_side_px: int | None) -> int:
    """Return the largest whole number by which the short side can be divided and still keep `min_side_px`."""
    return 1 if min_side_px is None else max(1, min(width_px, height_px) // min_side_px)


def halved(pixels: npt.NDArray[np.uint8], min_side_px: int) -> npt.NDArray[np.uint8]:
    """Halve both sides as long as the short one keeps at least `min_side_px`."""
    while min(pixels.shape[:2]) >= 2 * min_side_px:
        size = pixels.shape[1] // 2, pixels.shape[0] // 2
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return pixels
