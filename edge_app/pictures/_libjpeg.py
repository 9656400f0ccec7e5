"""Decodes JPEG at full or reduced size: with simplejpeg if installed, otherwise with OpenCV; both use libjpeg-turbo.

At a reduced scale simplejpeg takes 6 % less time than OpenCV for 640x480 and 15 % less for 320x240, and gives the same
pixels. OpenCV handles EXIF orientation, and files that simplejpeg refuses.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2

SCALES = (8, 4, 2, 1)
"""Factors by which decoding can shrink both sides: each block of 8x8 pixels becomes 1, 4, 16 or 64 pixels."""

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_MOST_PIXELS = 1 << 26  # OpenCV has its own limit; simplejpeg trusts any header.


def decode(
    data: npt.NDArray[np.uint8], scale: int, size_px: tuple[int, int], is_upright: bool
) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG file.

    Args:
        data: (N,) uint8, the file's bytes.
        scale: one of `SCALES`.
        size_px: width and height from the header.
        is_upright: EXIF requires no turning.

    Returns:
        (H, W, 3) uint8, RGB, turned according to EXIF; None if it cannot be decoded.
    """
    simplejpeg = _simplejpeg()
    if simplejpeg is not None and is_upright and size_px[0] * size_px[1] <= _MOST_PIXELS:
        # libjpeg rounds reduced sizes up.
        width, height = (-(-side // scale) for side in size_px)
        try:
            decoded: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, "RGB", min_height=height, min_width=width, strict=False
            )
        except ValueError:
            pass
        else:
            # simplejpeg chooses the factor itself, from the minimum, so its result may have another size.
            if decoded.shape[:2] == (height, width):
                return decoded
    found = decode_any(data, _FLAGS[scale])
    return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


@functools.cache
def _simplejpeg() -> ModuleType | None:
    """Import it with the first JPEG: videos and uncompressed cameras do not need it."""
    try:
        import simplejpeg
    except (ImportError, ValueError):  # ValueError: built for another numpy, such as apt's package with pip's numpy
        return None
    found: ModuleType = simplejpeg
    return found


def decode_any(data: npt.NDArray[np.uint8], flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8] | None:
    """Decode any file OpenCV supports to BGR; None if it cannot be decoded."""
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:  # raised for a header with more than 2^30 pixels, or 2^20 on a side
        return None
