"""A JPEG to pixels, at full size or less: by simplejpeg where it is there, else by OpenCV; both are libjpeg-turbo.

At a reduced scale simplejpeg takes 6 % less time for 640x480 and 15 % less for 320x240 than OpenCV, and gives the same
pixels. OpenCV knows EXIF orientation, and takes what simplejpeg refuses.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2

SCALES = (8, 4, 2, 1)
"""Whole numbers that both sides can be divided by while decoding: each block of 8x8 pixels becomes 1, 4, 16 or 64."""

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_MOST_PIXELS = 1 << 26  # OpenCV has a limit of its own; simplejpeg believes any header.


def decode(
    data: npt.NDArray[np.uint8], scale: int, size_px: tuple[int, int], is_upright: bool
) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG file.

    Args:
        data: (N,) uint8, the file's bytes.
        scale: one of `SCALES`.
        size_px: width and height that the header states.
        is_upright: EXIF asks for no turning.

    Returns:
        (H, W, 3) uint8, RGB, turned as EXIF says; None when it cannot be decoded.
    """
    simplejpeg = _simplejpeg()
    if simplejpeg is not None and is_upright and size_px[0] * size_px[1] <= _MOST_PIXELS:
        width, height = (-(-side // scale) for side in size_px)
        try:
            decoded: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, "RGB", min_height=height, min_width=width, strict=False
            )
        except ValueError:
            pass
        else:
            if decoded.shape[:2] == (height, width):
                return decoded
    found = decode_any(data, _FLAGS[scale])
    return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


@functools.cache
def _simplejpeg() -> ModuleType | None:
    """Import it with the first JPEG: videos and uncompressed cameras start without."""
    try:
        import simplejpeg
    except (ImportError, ValueError):  # ValueError: built for another numpy, as apt's beside pip's
        return None
    found: ModuleType = simplejpeg
    return found


def decode_any(data: npt.NDArray[np.uint8], flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8] | None:
    """Decode any file OpenCV knows to BGR; None when it cannot."""
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:  # A header that announces more than 2^30 pixels or 2^20 on a side is answered with an exception.
        return None
