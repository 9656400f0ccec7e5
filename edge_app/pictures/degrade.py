"""Camera degradations, shared by training and evaluation: blur, exposure, colour cast, sensor noise, JPEG.

Every function takes and returns (H, W, 3) uint8 RGB and does not modify its argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edge_app.pictures.opencv import cv2
from edge_app.records import Pixels

Degradation = Callable[[Pixels, np.random.Generator], Pixels]


def blur(pixels: Pixels, sigma_px: float) -> Pixels:
    """Blur with a Gaussian, mirroring the edges: a lens out of focus."""
    return cv2.GaussianBlur(pixels, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101)


def gain(pixels: Pixels, red: float, green: float, blue: float) -> Pixels:
    """Multiply each channel and clip at 255: exposure (equal factors) or a wrong white balance (unequal)."""
    # `convertScaleAbs` rounds and saturates; `astype` would wrap 256 to 0.
    return cv2.convertScaleAbs(pixels * np.array((red, green, blue), np.float32))


def noise(pixels: Pixels, sigma: float, generator: np.random.Generator) -> Pixels:
    """Add independent Gaussian noise of `sigma` grey levels to every sample."""
    noisy = pixels + np.float32(sigma) * generator.standard_normal(pixels.shape, np.float32)
    # `astype` alone truncates, which would darken pictures by half a grey level.
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Encode as JPEG (4:2:0, as cameras do) and decode again."""
    # 4:2:0 is OpenCV's default; OpenCV 4.6 (Debian 12) has no option for it.
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


# The degradations `edge-app evaluate` measures, one at a time, on pictures at the model's size.
STANDARD: Mapping[str, Degradation] = {
    "jpeg quality 75": lambda pixels, _: jpeg(pixels, 75),
    "noise sigma 12": lambda pixels, generator: noise(pixels, 12.0, generator),
    "blur sigma 1": lambda pixels, _: blur(pixels, 1.0),
    "exposure -40 %": lambda pixels, _: gain(pixels, 0.6, 0.6, 0.6),
    "exposure +40 %": lambda pixels, _: gain(pixels, 1.4, 1.4, 1.4),
    "warm cast": lambda pixels, _: gain(pixels, 1.25, 1.0, 0.75),
    "cold cast": lambda pixels, _: gain(pixels, 0.75, 1.0, 1.25),
}
