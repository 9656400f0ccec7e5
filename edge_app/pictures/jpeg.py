"""The kinds of picture that cameras and files deliver, each decoded as late and as little as possible.

All shrinking here is halving, again and again (or the JPEG decoder's own 1/2, 1/4, 1/8, which are box means too), done
in the picture's own colour space; colours are converted at the shrunk size. OpenCV averages 2x2 pixels with SIMD
instructions, and other areas one number at a time: three to ten times as slow.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_app.errors import PictureError
from edge_app.pictures import _libjpeg
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.halving import whole_factor
from edge_app.records import Box, Pixels


class JpegPicture:
    """A JPEG file in memory; EXIF orientation is honoured.

    Args:
        data: (N,) uint8, the file's bytes. Whoever receives them sees to it that they are whole: what is missing at
            the end a decoder may fill with grey and say nothing.

    Raises:
        PictureError: the data has no readable JPEG header.
    """

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self._data = data
        self._header = read_jpeg_header(data)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as seen upright."""
        return self._header.size_px

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Decode at the smallest of 1/1, 1/2, 1/4, 1/8 that is large enough, then cut. See `Picture.rgb`."""
        full = box or Box(0, 0, *self.size_px)
        factor = whole_factor(full.width_px, full.height_px, min_side_px)
        scale = next(scale for scale in _libjpeg.SCALES if scale <= factor)
        decoded = _libjpeg.decode(self._data, scale, self._header.stored_px, self._header.is_upright)
        if decoded is None:
            raise PictureError(f"a JPEG of {len(self._data)} bytes cannot be decoded")
        return ArrayPicture(decoded).rgb(_scaled(full, scale, decoded.shape), min_side_px)


def _scaled(box: Box, scale: int, shape: tuple[int, ...]) -> Box:
    """Return the box in a picture shrunk by `scale`, edges rounded to the nearest pixel, at least one pixel large."""
    left, top = min(round(box.left / scale), shape[1] - 1), min(round(box.top / scale), shape[0] - 1)
    right = min(max(round((box.left + box.width_px) / scale), left + 1), shape[1])
    bottom = min(max(round((box.top + box.height_px) / scale), top + 1), shape[0])
    return Box(left, top, right - left, bottom - top)


class JpegHeader(NamedTuple):
    """What stands before the picture.

    Attributes:
        stored_px: width and height as they are stored.
        orientation: of EXIF, 1 to 8; 1 is upright, 5 to 8 lie on their side.
    """

    stored_px: tuple[int, int]
    orientation: int

    @property
    def is_upright(self) -> bool:
        """Whether the picture is stored as it is seen."""
        return self.orientation == 1

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as seen upright."""
        width, height = self.stored_px
        return (height, width) if self.orientation >= 5 else (width, height)


def read_jpeg_header(data: npt.NDArray[np.uint8]) -> JpegHeader:
    """Read the size of a JPEG without decoding it (ITU T.81, B.1.1.4 markers and B.2.2 frame header).

    Raises:
        PictureError: not a JPEG, or it ends before its frame header.
    """
    head = data.data
    if bytes(head[:2]) != b"\xff\xd8":
        raise PictureError(f"not a JPEG: {len(data)} bytes that start with {bytes(head[:4])!r}")
    at, orientation = 2, 1
    while at + 9 <= len(head):
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if head[at] != 0xFF:
            break
        if marker in _FRAME_HEADERS:
            height_px, width_px = struct.unpack(">HH", head[at + 5 : at + 9])
            return JpegHeader((width_px, height_px), orientation)
        if marker == 0xE1 and orientation == 1:
            orientation = exif_orientation(bytes(head[at + 4 : at + 2 + length]))
        at += 1 if marker == 0xFF else 2 + length
    raise PictureError(f"a JPEG of {len(data)} bytes ends before its frame header")


# Start-of-frame markers; C4, C8 and CC mean something else (T.81 table B.1).
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def exif_orientation(segment: bytes) -> int:
    """Return the orientation (1 to 8) that an APP1 segment states, 1 if it states none (EXIF 2.3, tag 0x0112)."""
    if not segment.startswith(b"Exif\0\0"):
        return 1
    tiff = segment[6:]
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # A torn directory states nothing.
    return 1
