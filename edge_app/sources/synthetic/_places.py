"""The places behind the ten subjects, painted once per scene from noise, ramps and boxes.

Each place is a function of a random generator, which determines the details, and a size in pixels.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2
from edge_app.sources.synthetic._brush import Colour

Paint: TypeAlias = npt.NDArray[np.float32]
"""(H, W, 3) float32, RGB 0..255."""

Field: TypeAlias = npt.NDArray[np.float32]
"""(H, W) float32, 0..1."""


def clouds(rng: np.random.Generator, size_px: tuple[int, int], cell_px: int, stretch: int = 1) -> Field:
    """Return fractal noise: five octaves, the coarsest with cells `cell_px` high and `stretch` times as wide."""
    width_px, height_px = size_px
    total, weight = np.zeros((height_px, width_px), np.float32), 1.0
    for octave in range(5):
        cell = max(cell_px >> octave, 1)
        grid = rng.random((height_px // cell + 2, width_px // (cell * stretch) + 2), np.float32)
        total += weight * cv2.resize(grid, size_px, interpolation=cv2.INTER_CUBIC)
        weight *= 0.55
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _gradient(size_px: tuple[int, int], top: Colour, bottom: Colour) -> Paint:
    share = np.linspace(0, 1, size_px[1], dtype=np.float32)[:, None, None]
    column = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
    return np.repeat(column, size_px[0], axis=1).astype(np.float32)


def _mixed(paint: Paint, colour: Colour, share: Field) -> Paint:
    """Mix a colour into the paint by a share of 0..1 per pixel."""
    weight = share[..., None].astype(np.float32)
    return np.asarray(paint * (1 - weight) + np.array(colour, np.float32) * weight)


def _down(size_px: tuple[int, int]) -> Field:
    """Return the relative height of each pixel: 0 at the top, 1 at the bottom."""
    return np.repeat(np.linspace(0, 1, size_px[1], dtype=np.float32)[:, None], size_px[0], axis=1)


def _step(field: Field, threshold: float | Field, width: float) -> Field:
    """Return 0 below the threshold, 1 above it, with a ramp of the given width between them."""
    return np.asarray(np.clip((field - threshold) / width + 0.5, 0, 1), np.float32)


def _textured(paint: Paint, field: Field, strength: float) -> Paint:
    return np.asarray(paint * (1 + strength * (field[..., None] - 0.5)), np.float32)


def _sky(rng: np.random.Generator, size_px: tuple[int, int], cover: float = 0.5) -> Paint:
    tops: tuple[Colour, ...] = ((58, 118, 196), (84, 142, 208), (70, 104, 170))
    sky = _gradient(size_px, tops[rng.integers(len(tops))], (196, 220, 238))
    cell_px = max(size_px[1] // 3, 4)
    cover_map = clouds(rng, size_px, cell_px, 2)
    return _mixed(sky, (246, 247, 249), 0.85 * _step(cover_map, 1 - 0.5 * cover, 0.5))


def _ground(rng: np.random.Generator, paint: Paint, horizon: float, near: Colour, far: Colour) -> Paint:
    """Add textured ground below the horizon (a share of the height)."""
    size_px = paint.shape[1], paint.shape[0]
    depth = np.clip((_down(size_px) - horizon) / (1 - horizon), 0, 1)
    ground = _mixed(_gradient(size_px, far, far), near, depth)
    coarse = clouds(rng, size_px, max(size_px[1] // 8, 2), 4)
    fine = clouds(rng, size_px, max(size_px[1] // 60, 1), 2)
    ground = _textured(_textured(ground, coarse, 0.35), fine, 0.35)
    weight = _step(_down(size_px), horizon, 2 / size_px[1])[..., None]
    return np.asarray(paint * (1 - weight) + ground * weight)


def _hedge(rng: np.random.Generator, paint: Paint, band: tuple[float, float], colour: Colour) -> Paint:
    """Add foliage with a ragged upper edge between two heights."""
    size_px = paint.shape[1], paint.shape[0]
    foliage = clouds(rng, size_px, max(size_px[1] // 10, 2))
    edge = band[0] + 0.16 * (clouds(rng, size_px, max(size_px[1] // 5, 2)) - 0.5)
    share = _step(_down(size_px), edge.astype(np.float32), 0.02) * (1 - _step(_down(size_px), band[1], 0.01))
    leafy = _textured(_gradient(size_px, colour, colour), foliage, 1.2)
    return np.asarray(paint * (1 - share[..., None]) + leafy * share[..., None])


def _bars(paint: Paint, boxes: list[tuple[float, float, float, float]], colour: Colour) -> Paint:
    """Add filled boxes: left, top, right, bottom as shares of the height; x is measured from the middle."""
    height_px, middle_px = paint.shape[0], paint.shape[1] / 2
    for left, top, right, bottom in boxes:
        x0, x1 = round(middle_px + left * height_px), round(middle_px + right * height_px)
        start, end = (max(x0, 0), round(top * height_px)), (x1, round(bottom * height_px))
        if x1 > 0:
            cv2.rectangle(paint, start, end, colour, cv2.FILLED)
    return paint


def open_sky(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint nothing but sky and clouds."""
    return _sky(rng, size_px, 0.9)


def road(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint a road seen across, with trees behind it."""
    paint = _hedge(rng, _sky(rng, size_px), (0.34, 0.56), (72, 104, 62))
    paint = _ground(rng, paint, 0.53, (120, 138, 78), (138, 152, 96))
    paint = _ground(rng, paint, 0.6, (92, 92, 96), (134, 134, 138))
    paint = _bars(paint, [(-9, 0.595, 9, 0.615)], (196, 194, 188))
    dashes = [(0.6 * i - 0.15 + 3e-3, 0.9, 0.6 * i + 0.15, 0.925) for i in range(-4, 5)]
    return _bars(paint, dashes, (226, 224, 214))


def leaves(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint foliage out of focus, with spots of light."""
    paint = _textured(_gradient(size_px, (150, 178, 120), (70, 104, 62)), clouds(rng, size_px, size_px[1] // 3), 0.7)
    for _ in range(26):
        centre = int(rng.integers(size_px[0])), int(rng.integers(size_px[1]))
        radius = max(round(float(rng.uniform(0.025, 0.07)) * size_px[1]), 1)
        spot = np.zeros(paint.shape[:2], np.float32)
        cv2.circle(spot, centre, radius, 0.35, cv2.FILLED)
        light: Colour = (214, 224, 150) if rng.random() < 0.7 else (240, 236, 214)
        paint = _mixed(paint, light, spot)
    return np.asarray(cv2.GaussianBlur(paint, (0, 0), max(size_px[1] / 90, 0.5)))


def room(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint a wall with a window, above wooden boards."""
    walls: tuple[tuple[Colour, Colour], ...] = (
        ((206, 196, 176), (226, 218, 202)),
        ((152, 176, 180), (176, 198, 200)),
        ((196, 170, 160), (214, 192, 182)),
    )
    dark, bright = walls[rng.integers(len(walls))]
    paint = _gradient(size_px, bright, dark)
    paint = _bars(paint, [(0.22 * i - 0.01, 0.0, 0.22 * i + 0.01, 0.66) for i in range(-9, 10)], bright)
    paint = _bars(paint, [(-0.82, 0.06, -0.4, 0.48)], (244, 242, 236))
    paint = _bars(paint, [(-0.79, 0.09, -0.43, 0.45)], (158, 196, 222))
    paint = _bars(paint, [(-0.62, 0.06, -0.6, 0.48), (-0.82, 0.26, -0.4, 0.275)], (244, 242, 236))
    paint = _ground(rng, paint, 0.68, (150, 104, 66), (168, 124, 84))
    paint = _bars(paint, [(-9, 0.65, 9, 0.685)], (236, 232, 224))
    seams = [(-9.0, y, 9.0, y + 0.004) for y in (0.74, 0.82, 0.92)]
    paint = _bars(paint, seams, (112, 76, 50))
    return _textured(paint, clouds(rng, size_px, max(size_px[1] // 20, 2)), 0.1)


def forest(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint trunks behind a clearing."""
    paint = _textured(_gradient(size_px, (176, 196, 160), (104, 132, 84)), clouds(rng, size_px, size_px[1] // 4), 0.5)
    reach = size_px[0] / size_px[1] / 2
    for _ in range(round(14 * max(reach, 0.5))):
        x, wide = float(rng.uniform(-reach, reach)), float(rng.uniform(0.01, 0.04))
        paint = _bars(paint, [(x - wide, 0.0, x + wide, 0.66)], (98, 90, 74))
        paint = _bars(paint, [(x + wide * 0.3, 0.0, x + wide, 0.66)], (74, 68, 56))
    paint = np.asarray(cv2.GaussianBlur(paint, (0, 0), max(size_px[1] / 110, 0.5)))
    paint = _hedge(rng, paint, (0.56, 0.7), (70, 100, 52))
    return _ground(rng, paint, 0.66, (124, 140, 62), (112, 136, 70))


def lawn(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint grass with a hedge behind it."""
    paint = _hedge(rng, _sky(rng, size_px), (0.24, 0.5), (62, 100, 52))
    return _ground(rng, paint, 0.46, (96, 150, 54), (124, 166, 84))


def pond(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint water with glints and lily pads."""
    water = _ground(rng, _gradient(size_px, (0, 0, 0), (0, 0, 0)), 0.0, (36, 70, 74), (104, 144, 140))
    glints = clouds(rng, size_px, max(size_px[1] // 14, 2), 5)
    paint = _mixed(water, (184, 212, 210), 0.6 * _step(glints, 0.74, 0.16))
    paint = _hedge(rng, paint, (-0.2, 0.2), (66, 104, 48))
    pads = paint.copy()
    for _ in range(9):
        x, y = float(rng.uniform(0, 1)), float(rng.uniform(0.28, 0.95))
        radii = round((0.05 + 0.08 * y) * size_px[1]), max(round((0.015 + 0.025 * y) * size_px[1]), 1)
        centre = round(x * size_px[0]), round(y * size_px[1])
        cv2.ellipse(pads, centre, radii, 0, 20, 345, (82, 134, 66), cv2.FILLED)
    return _textured(pads, clouds(rng, size_px, max(size_px[1] // 30, 1), 2), 0.25)


def paddock(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint a meadow with a fence."""
    paint = _hedge(rng, _sky(rng, size_px), (0.36, 0.6), (92, 120, 84))
    paint = _ground(rng, paint, 0.52, (136, 152, 72), (164, 172, 104))
    rails = [(-9.0, y, 9.0, y + 0.022) for y in (0.42, 0.51)]
    posts = [(0.42 * i - 0.2, 0.38, 0.42 * i - 0.168, 0.62) for i in range(-5, 6)]
    return _bars(paint, rails + posts, (214, 206, 190))


def sea(rng: np.random.Generator, size_px: tuple[int, int]) -> Paint:
    """Paint the open sea under a sky."""
    paint = _ground(rng, _sky(rng, size_px, 0.6), 0.54, (32, 74, 108), (104, 146, 168))
    waves = clouds(rng, size_px, max(size_px[1] // 16, 2), 6)
    is_water = _step(_down(size_px), 0.55, 0.01)
    return _mixed(paint, (196, 216, 224), 0.5 * is_water * _step(waves, 0.7, 0.2))
