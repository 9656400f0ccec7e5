"""The kinds of picture that cameras and files deliver, each decoded as late and as little as possible.

All shrinking here is halving, again and again (or the JPEG decoder's own 1/2, 1/4, 1/8, which are box means too), done
in the picture's own colour space; colours are converted at the shrunk size. OpenCV averages 2x2 pixels with SIMD
instructions, and other areas one number at a time: three to ten times as slow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_app import _jpeg
from edge_app._opencv import cv2
from edge_app.errors import PictureError
from edge_app.records import Box, Picture, Pixels

Flip = Literal["none", "horizontal", "vertical"]


class ArrayPicture:
    """Pixels that are already decoded.

    Args:
        pixels: (H, W, 3) uint8, or (H, W, 4) with a fourth channel that is ignored, or (H, W) grey.
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
            pixels = _halved(pixels, min_side_px * 3 // 2)
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
        scale = next(scale for scale in _jpeg.SCALES if scale <= factor)
        decoded = _jpeg.decode(self._data, scale, self._header.stored_px, self._header.is_upright)
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


@dataclass(frozen=True)
class ColorStandard:
    """How Y, U, V (each 0..255) become R, G, B.

    Attributes:
        red_weight: Kr, the share of red in luma.
        blue_weight: Kb, the share of blue in luma.
        is_full_range: luma spans 0..255, else 16..235 (chroma 16..240).
    """

    red_weight: float
    blue_weight: float
    is_full_range: bool

    @cached_property
    def matrix(self) -> npt.NDArray[np.float32]:
        """(3, 4) float32: RGB = matrix @ (Y, U, V, 1). ITU-T H.273, 8.3, equations for matrix_coefficients."""
        kr, kb = self.red_weight, self.blue_weight
        kg = 1 - kr - kb
        luma, chroma = (1.0, 1.0) if self.is_full_range else (255 / 219, 255 / 224)
        black = 0.0 if self.is_full_range else 16.0
        linear = np.array(
            [
                [luma, 0, 2 * (1 - kr) * chroma],
                [luma, -2 * kb * (1 - kb) / kg * chroma, -2 * kr * (1 - kr) / kg * chroma],
                [luma, 2 * (1 - kb) * chroma, 0],
            ]
        )
        offset = -linear @ np.array([black, 128, 128])
        return np.hstack([linear, offset[:, None]]).astype(np.float32)


# Luma weights: ITU-R BT.601-7 section 2.5.1 and BT.709-6 section 3.2.
BT601 = ColorStandard(0.299, 0.114, is_full_range=False)
BT601_FULL = ColorStandard(0.299, 0.114, is_full_range=True)  # sYCC, what JPEG uses
BT709 = ColorStandard(0.2126, 0.0722, is_full_range=False)


class YuyvPicture:
    """Packed 4:2:2, the uncompressed format of webcams.

    Args:
        pixels: (H, W, 2) uint8: luma in channel 0; in channel 1 U at even columns, V at odd ones. W is even.
        standard: colour standard; V4L2's default for webcams is BT.601, limited range.
    """

    def __init__(self, pixels: npt.NDArray[np.uint8], standard: ColorStandard = BT601) -> None:
        if pixels.ndim != 3 or pixels.shape[2] != 2 or pixels.shape[1] % 2 or 0 in pixels.shape:
            raise PictureError(f"not a YUYV picture: array of shape {pixels.shape}")
        # Two neighbouring pixels make one quadruple (Y0, U, Y1, V): averaging quadruples averages pixels.
        self._quads = pixels.reshape(pixels.shape[0], -1, 4)
        self._standard = standard

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return 2 * self._quads.shape[1], self._quads.shape[0]

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Cut at even columns, shrink the quadruples, convert what is left. See `Picture.rgb`."""
        box = box or Box(0, 0, *self.size_px)
        left, right = box.left // 2, (box.left + box.width_px + 1) // 2
        quads = self._quads[box.top : box.top + box.height_px, left:right]
        if min_side_px is None or min(quads.shape[:2]) < min_side_px:
            yuv = _yuyv_to_yuv(quads)
        else:
            small = np.ascontiguousarray(_halved(quads, min_side_px))  # split takes rows with gaps one by one, slowly
            y0, u, y1, v = cv2.split(small)
            yuv = cv2.merge([cv2.addWeighted(y0, 0.5, y1, 0.5, 0), u, v])
        return cv2.transform(yuv, self._standard.matrix)


def _yuyv_to_yuv(quads: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Give every pixel its own chroma: (H, W/2, 4) to (H, W, 3)."""
    yuv = np.empty((quads.shape[0], quads.shape[1], 2, 3), np.uint8)
    yuv[..., 0] = quads[..., 0::2]
    yuv[..., 1] = quads[..., 1, None]
    yuv[..., 2] = quads[..., 3, None]
    return yuv.reshape(quads.shape[0], -1, 3)


class Yuv420Picture:
    """Planar 4:2:0 (I420) or semi-planar (NV12): a luma plane, then chroma at half size.

    Args:
        buffer: (rows, stride) uint8 as the camera delivers it: `height` rows of luma, then the chroma. Rows may be
            longer than the picture is wide: what exceeds it is padding.
        size_px: width and height of the picture, both even.
        layout: "i420" has U and V planes of half the stride, "nv12" one plane of U, V pairs.
        standard: colour standard.
    """

    def __init__(
        self,
        buffer: npt.NDArray[np.uint8],
        size_px: tuple[int, int],
        layout: Literal["i420", "nv12"] = "i420",
        standard: ColorStandard = BT601,
    ) -> None:
        width, height = size_px
        rows_needed = height * 3 // 2
        if width % 2 or height % 2 or buffer.ndim != 2 or buffer.shape[0] < rows_needed or buffer.shape[1] < width:
            raise PictureError(f"a 4:2:0 picture of {width}x{height} does not fit an array of shape {buffer.shape}")
        self.size_px = size_px
        self._standard = standard
        self._luma = buffer[:height, :width]
        chroma = np.ascontiguousarray(buffer[height:rows_needed])
        if layout == "nv12":
            self._chroma = chroma.reshape(height // 2, -1, 2)[:, : width // 2]
        else:
            u, v = chroma.reshape(2, height // 2, -1)[:, :, : width // 2]
            self._chroma = cv2.merge([u, v])

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Cut at even columns and rows, shrink the planes, convert what is left. See `Picture.rgb`."""
        box = box or Box(0, 0, *self.size_px)
        left, right = box.left // 2, (box.left + box.width_px + 1) // 2
        top, bottom = box.top // 2, (box.top + box.height_px + 1) // 2
        luma = self._luma[2 * top : 2 * bottom, 2 * left : 2 * right]
        luma = luma if min_side_px is None else _halved(luma, min_side_px)
        size = luma.shape[1], luma.shape[0]
        grows = size[0] > right - left
        chroma = cv2.resize(
            self._chroma[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA
        )
        return cv2.transform(cv2.merge([luma, chroma]), self._standard.matrix)


class OrientedPicture:
    """Another picture, mirrored and then turned clockwise. Boxes are in what is seen, after turning.

    Args:
        picture: the picture as the source delivers it.
        rotate: degrees clockwise: 0, 90, 180 or 270.
        flip: "horizontal" swaps left and right, "vertical" top and bottom, before turning.
    """

    def __init__(self, picture: Picture, rotate: int, flip: Flip) -> None:
        self._picture, self._rotate, self._flip = picture, rotate, flip

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as seen."""
        width, height = self._picture.size_px
        return (height, width) if self._rotate in (90, 270) else (width, height)

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Cut and shrink first, turn what is left. See `Picture.rgb`."""
        pixels = self._picture.rgb(None if box is None else self._as_delivered(box), min_side_px)
        if self._flip != "none":
            pixels = cv2.flip(pixels, 1 if self._flip == "horizontal" else 0)
        return pixels if self._rotate == 0 else cv2.rotate(pixels, _TURNS[self._rotate])

    def _as_delivered(self, box: Box) -> Box:
        width, height = self.size_px
        for _ in range(self._rotate // 90):  # undo one quarter turn after the other
            box = Box(box.top, width - box.left - box.width_px, box.height_px, box.width_px)
            width, height = height, width
        if self._flip == "horizontal":
            return Box(width - box.left - box.width_px, box.top, box.width_px, box.height_px)
        if self._flip == "vertical":
            return Box(box.left, height - box.top - box.height_px, box.width_px, box.height_px)
        return box


_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def oriented(picture: Picture, rotate: int, flip: Flip) -> Picture:
    """Return the picture turned and mirrored; itself when there is nothing to do."""
    return picture if rotate == 0 and flip == "none" else OrientedPicture(picture, rotate, flip)


def decode_file(data: bytes) -> Picture:
    """Make a picture of an encoded file: JPEG stays lazy, anything else OpenCV reads is decoded now.

    Raises:
        PictureError: nothing OpenCV can read.
    """
    encoded = np.frombuffer(data, np.uint8)
    if data[:2] == b"\xff\xd8":
        # OpenCV 4 fills what is missing with grey and says nothing. Phones append more after the end of image.
        if b"\xff\xd9" not in data[len(data) // 2 :]:
            raise PictureError(f"a JPEG of {len(data)} bytes is cut off: it has no end")
        return JpegPicture(encoded)
    decoded = _jpeg.decode_any(encoded) if data else None
    if decoded is None:
        raise PictureError(f"{len(data)} bytes that start with {data[:4]!r} are no picture OpenCV can read")
    return ArrayPicture(decoded, "bgr")


def whole_factor(width_px: int, height_px: int, min_side_px: int | None) -> int:
    """Return by which whole number both sides may be divided and the short one still keep `min_side_px`."""
    return 1 if min_side_px is None else max(1, min(width_px, height_px) // min_side_px)


def _halved(pixels: npt.NDArray[np.uint8], min_side_px: int) -> npt.NDArray[np.uint8]:
    """Halve both sides as often as the short one keeps `min_side_px`."""
    while min(pixels.shape[:2]) >= 2 * min_side_px:
        size = pixels.shape[1] // 2, pixels.shape[0] // 2
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return pixels
