"""Uncompressed YUV pictures, shrunk as YUV and converted to RGB at the shrunk size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_app.errors import PictureError
from edge_app.pictures.halving import halved
from edge_app.pictures.opencv import cv2
from edge_app.records import Box, Pixels


@dataclass(frozen=True)
class ColorStandard:
    """How Y, U, V (each 0..255) become R, G, B.

    Attributes:
        red_weight: Kr, the share of red in luma.
        blue_weight: Kb, the share of blue in luma.
        is_full_range: luma spans 0..255, otherwise 16..235 (chroma 16..240).
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
BT601_FULL = ColorStandard(0.299, 0.114, is_full_range=True)  # sYCC, as in JPEG
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
        """Cut at even columns, shrink the quadruples, then convert. See `Picture.rgb`."""
        box = box or Box(0, 0, *self.size_px)
        left, right = box.left // 2, (box.left + box.width_px + 1) // 2
        quads = self._quads[box.top : box.top + box.height_px, left:right]
        if min_side_px is None or min(quads.shape[:2]) < min_side_px:
            yuv = _yuyv_to_yuv(quads)
        else:
            small = np.ascontiguousarray(halved(quads, min_side_px))  # split is slow on rows with gaps
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
        buffer: (rows, stride) uint8 from the camera: `height` rows of luma, then the chroma. Rows may be longer than
            the picture is wide; the excess is padding.
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
        """Cut at even columns and rows, shrink the planes, then convert. See `Picture.rgb`."""
        box = box or Box(0, 0, *self.size_px)
        left, right = box.left // 2, (box.left + box.width_px + 1) // 2
        top, bottom = box.top // 2, (box.top + box.height_px + 1) // 2
        luma = self._luma[2 * top : 2 * bottom, 2 * left : 2 * right]
        luma = luma if min_side_px is None else halved(luma, min_side_px)
        size = luma.shape[1], luma.shape[0]
        grows = size[0] > right - left  # Area averaging works only when shrinking.
        chroma = cv2.resize(
            self._chroma[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA
        )
        return cv2.transform(cv2.merge([luma, chroma]), self._standard.matrix)
