"""Antialiased shapes on a transparent layer, and their shading; `_subjects` draws with these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

Point: TypeAlias = tuple[float, float]
"""x to the right, y down, in subject units: the subject spans about -1..1 in both."""

Layer: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 4) uint8: red, green and blue already multiplied by alpha, then alpha."""

_Floats: TypeAlias = npt.NDArray[np.float64]

_SHIFT = 4  # Fractional bits of OpenCV's drawing coordinates: movement is smooth below one pixel.
_RELIEF_STEP = 4  # The relief is computed at a quarter of the size, because it is blurred anyway.


def tone(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened (factor below 1) or lightened (above 1; white at 2)."""
    if factor <= 1:
        red, green, blue = (int(c * factor) for c in colour)
    else:
        red, green, blue = (int(c + (255 - c) * min(factor - 1, 1)) for c in colour)
    return red, green, blue


class Brush:
    """Draws on a layer in subject units.

    Args:
        layer: the layer to draw on.
        matrix: (2, 3), from subject units to pixels.

    """

    def __init__(self, layer: Layer, matrix: _Floats) -> None:
        self._layer, self._matrix = layer, matrix

    def moved(self, x: float, y: float, turn: float = 0.0, stretch: tuple[float, float] = (1.0, 1.0)) -> Brush:
        """Return a brush with its origin at (x, y) and its axes stretched, then turned by `turn` radians."""
        cos, sin = math.cos(turn), math.sin(turn)
        inner = np.array([[cos * stretch[0], -sin * stretch[1], x], [sin * stretch[0], cos * stretch[1], y], [0, 0, 1]])
        return Brush(self._layer, self._matrix @ inner)

    def area(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon with sharp corners."""
        self._fill(np.asarray(points, np.float64), colour)

    def shape(self, points: tuple[Point, ...], colour: Colour) -> None:
        """Fill the smooth closed curve through the points."""
        self._fill(_smooth(points), colour)

    def oval(self, x: float, y: float, radii: float | tuple[float, float], colour: Colour, turn: float = 0.0) -> None:
        """Fill an ellipse around (x, y)."""
        wide, high = radii if isinstance(radii, tuple) else (radii, radii)
        self.moved(x, y, turn, (wide, high))._fill(_CIRCLE, colour)

    def limb(self, joints: Iterable[tuple[float, float, float]], colour: Colour) -> None:
        """Fill a chain of rounded, tapering segments through (x, y, radius)."""
        rounds = [_CIRCLE * radius + (x, y) for x, y, radius in joints]
        for start, end in itertools.pairwise(rounds):
            hull = cv2.convexHull(np.vstack([start, end]).astype(np.float32))
            self._fill(hull[:, 0].astype(np.float64), colour)

    def _fill(self, points: _Floats, colour: Colour) -> None:
        pixels = points @ self._matrix[:, :2].T + self._matrix[:, 2]
        fixed = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(self._layer, [fixed], (*colour, 255), cv2.LINE_AA, _SHIFT)


_CIRCLE = np.stack([np.cos(np.arange(24) * math.pi / 12), np.sin(np.arange(24) * math.pi / 12)], axis=1)


@lru_cache(maxsize=256)
def _smooth(points: tuple[Point, ...], pieces: int = 6) -> _Floats:
    """Return (N * pieces, 2) points of the closed Catmull-Rom spline through N points."""
    p = np.asarray(points, np.float64)
    before, after, next_but_one = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = (np.arange(pieces) / pieces)[None, :, None]
    curve = (
        p[:, None]
        + 0.5 * t * (after - before)[:, None]
        + t**2 * (before - 2.5 * p + 2 * after - 0.5 * next_but_one)[:, None]
        + t**3 * (1.5 * (p - after) + 0.5 * (next_but_one - before))[:, None]
    )
    return np.asarray(curve.reshape(-1, 2))


def light_from_above(layer: Layer, strength: float, grain: Layer) -> Layer:
    """Shade a layer like a relief: edges facing up are lit, edges facing down are in shadow.

    Args:
        layer: the drawn layer.
        strength: strength of the shading; about 1.
        grain: (H, W) uint8 around 128, the roughness of the surface.

    """
    size = layer.shape[1] // _RELIEF_STEP, layer.shape[0] // _RELIEF_STEP
    height = cv2.resize(cv2.extractChannel(layer, 3), size, interpolation=cv2.INTER_AREA)
    height = cv2.GaussianBlur(height, (0, 0), max(size[1] * 0.045, 0.8))
    # The blur, and so the width of an edge, grows with the size; scaling by size keeps the slope constant.
    # Offset by 128, because unsigned bytes cannot hold the negative slopes of the shaded side.
    slope = cv2.filter2D(height, cv2.CV_8U, _UP_LEFT * (strength * size[1] / 60), delta=128)
    gain = cv2.resize(slope, (layer.shape[1], layer.shape[0]), interpolation=cv2.INTER_LINEAR)
    gain = cv2.max(cv2.addWeighted(gain, 1, grain, 1, -128), _DARKEST)
    return np.asarray(cv2.multiply(layer, cv2.merge([gain, gain, gain, np.full_like(gain, 128)]), scale=1 / 128))


_DARKEST = 76.0  # The underside still gets light from the ground; 128 is unshaded.
_UP_LEFT = np.array([[-1, -2, 0], [-1, 0, 1], [0, 2, 1]], np.float32)
