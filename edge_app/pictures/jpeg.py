"""JPEG pictures from cameras and files, decoded as late and as little as possible.

The decoder shrinks by 1/2, 1/4 or 1/8 (box means); repeated halving does the rest, see `halving`.
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
from edge_app.system.wording import counted

START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"  # ITU T.81, table B.1


class JpegPicture:
    """A JPEG file in memory; EXIF orientation is applied.

    Args:
        data: (N,) uint8, the bytes of a complete file; `whole_jpeg` checks that.

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

    @property
    def header_bytes(self) -> int:
        """Number of bytes up to the end of the frame header."""
        return self._header.length

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Decode at the smallest sufficient scale (1, 1/2, 1/4 or 1/8), then cut. See `Picture.rgb`."""
        full = box or Box(0, 0, *self.size_px)
        factor = whole_factor(full.width_px, full.height_px, min_side_px)
        scale = next(scale for scale in _libjpeg.SCALES if scale <= factor)
        decoded = _libjpeg.decode(self._data, scale, self._header.stored_px, self._header.is_upright)
        if decoded is None:
            raise PictureError(f"a JPEG of {counted(len(self._data), 'byte')} cannot be decoded")
        return ArrayPicture(decoded).rgb(_scaled(full, scale, decoded.shape), min_side_px)


LAST_BYTES = 64
"""Search range for the end of image: cameras and servers pad a JPEG to a multiple of 4 to 32 bytes."""


def whole_jpeg(data: npt.NDArray[np.uint8], last_bytes: int | None = LAST_BYTES) -> JpegPicture:
    """Make an undecoded picture from a JPEG that is whole; OpenCV would silently fill missing parts with grey.

    A JPEG is whole if it begins with a start of image and an end of image follows its frame header. (An end before the
    frame header belongs to the thumbnail in an EXIF segment.) Other data may follow the end: cameras and servers add
    padding, phones append videos and depth maps.

    The scan itself is not checked, to avoid reading each byte of Motion JPEG twice. So a picture that lost bytes in
    the middle counts as whole, and so does one that lost its end but has another JPEG appended.

    Args:
        data: (N,) uint8, the file's bytes.
        last_bytes: how many of the last bytes to search for the end of image; None searches all, for files, which may
            have anything appended.

    Raises:
        PictureError: it is not a JPEG, or not whole.
    """
    start = 0 if last_bytes is None else max(0, len(data) - last_bytes)
    end = data.data[start:].tobytes().rfind(_END_OF_IMAGE)
    is_framed = end >= 0 and data.data[:2].tobytes() == START_OF_IMAGE
    picture = JpegPicture(data) if is_framed else None
    if picture is None or start + end < picture.header_bytes:
        raise PictureError(f"an incomplete JPEG of {counted(len(data), 'byte')}: its beginning or end is cut off")
    return picture


def _scaled(box: Box, scale: int, shape: tuple[int, ...]) -> Box:
    """Return the box in a picture shrunk by `scale`, its edges rounded to pixels, at least one pixel large."""
    left, top = min(round(box.left / scale), shape[1] - 1), min(round(box.top / scale), shape[0] - 1)
    right = min(max(round((box.left + box.width_px) / scale), left + 1), shape[1])
    bottom = min(max(round((box.top + box.height_px) / scale), top + 1), shape[0])
    return Box(left, top, right - left, bottom - top)


class JpegHeader(NamedTuple):
    """The header of a JPEG, up to the end of the frame header.

    Attributes:
        stored_px: width and height as stored.
        orientation: EXIF orientation, 1 to 8; 1 is upright, 5 to 8 swap width and height.
        length: number of bytes.
    """

    stored_px: tuple[int, int]
    orientation: int
    length: int

    @property
    def is_upright(self) -> bool:
        """Whether the picture is stored upright."""
        return self.orientation == 1

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as seen upright."""
        width, height = self.stored_px
        return (height, width) if self.orientation >= 5 else (width, height)


def read_jpeg_header(data: npt.NDArray[np.uint8]) -> JpegHeader:
    """Read the size of a JPEG without decoding it (ITU T.81, B.1.1.4 markers and B.2.2 frame header).

    Raises:
        PictureError: it is not a JPEG, or ends before its frame header.
    """
    # A memoryview: its slices copy nothing, and its items are Python integers, which do not overflow like uint8.
    head = data.data
    if head[:2].tobytes() != START_OF_IMAGE:
        raise PictureError(f"not a JPEG: {counted(len(data), 'byte')} that start with {bytes(head[:4])!r}")
    at, orientation = 2, 1
    # 9 bytes: marker 2, length 2, precision 1, height 2, width 2.
    while at + 9 <= len(head):
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if head[at] != 0xFF:
            break
        if marker in _FRAME_HEADERS:
            height_px, width_px = struct.unpack(">HH", head[at + 5 : at + 9])
            return JpegHeader((width_px, height_px), orientation, at + 2 + length)
        if marker == 0xE1 and orientation == 1:
            orientation = exif_orientation(bytes(head[at + 4 : at + 2 + length]))
        at += 1 if marker == 0xFF else 2 + length  # 0xFF: a fill byte (T.81, B.1.1.2)
    raise PictureError(f"a JPEG of {counted(len(data), 'byte')} ends before its frame header")


# Start-of-frame markers; C4, C8 and CC mean something else (T.81 table B.1).
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def exif_orientation(segment: bytes) -> int:
    """Return the orientation (1 to 8) in an APP1 segment, 1 if there is none (EXIF 2.3, tag 0x0112)."""
    if not segment.startswith(b"Exif\0\0"):
        return 1
    tiff = segment[6:]
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            # An entry has 12 bytes. A 16-bit value is in the first two of its last four bytes, in either byte order.
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # A truncated directory counts as none.
    return 1
