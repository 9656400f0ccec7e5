"""Pixels that are already decoded."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_app.errors import PictureError
from edge_app.pictures.halving import halved
from edge_app.pictures.opencv import cv2
from edge_app.records import Box, Pixels

_RESERVE = 1.5
"""Decoded pixels are halved only while at least this many times the requested side remains.

The remaining size is seldom a multiple of the patch, so it is interpolated to one; the error grows as pixels get fewer.
Measured for a patch of 32x32 (112 requested): over the 39 photographs of `tests/pictures/test_agreement.py`, the patch
differs from the area average of all pixels by 0.60 grey levels on average (95th percentile 1.26) without a reserve, by
0.33 (0.56) with 1.5 and by 0.26 (0.56) with 2. With either reserve 640x480 is halved once instead of twice: 131 us of
processor time instead of 82. 1280x720 is still halved twice with 1.5 (185 us), but not with 2 (310 us).
"""


class ArrayPicture:
    """Pixels that are already decoded.

    Args:
        pixels: (H, W, 3) uint8, (H, W, 4) with an ignored fourth channel, or (H, W) grey.
        order: order of the channels in memory.
    """

    def __init__(self, pixels: npt.NDArray[np.uint8], order: Literal["rgb", "bgr"] = "rgb") -> None:
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or 0 in pixels.shape:
            raise PictureError(f"not a picture: {pixels.dtype} array of shape {pixels.shape}")
        self._pixels = pixels
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        self._to_rgb = _TO_RGB.get((channels, order), _UNKNOWN)
        if self._to_rgb == _UNKNOWN:
            raise PictureError(f"a picture has 1, 3 or 4 channels, this one {channels}")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self._pixels.shape[1], self._pixels.shape[0]

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Cut, shrink, then reorder the channels. See `Picture.rgb`."""
        pixels = self._pixels
        if box is not None:
            pixels = pixels[box.top : box.top + box.height_px, box.left : box.left + box.width_px]
        if min_side_px is not None:
            pixels = halved(pixels, int(_RESERVE * min_side_px))
        # Without a conversion this can be a view of the source's pixels: whoever draws on it has to copy it first.
        return pixels if self._to_rgb is None else cv2.cvtColor(pixels, self._to_rgb)


_UNKNOWN = -1
_TO_RGB: dict[tuple[int, str], int | None] = {
    (1, "rgb"): cv2.COLOR_GRAY2RGB,
    (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (3, "rgb"): None,
    (3, "bgr"): cv2.COLOR_BGR2RGB,
    (4, "rgb"): cv2.COLOR_RGBA2RGB,
    (4, "bgr"): cv2.COLOR_BGRA2RGB,
}
