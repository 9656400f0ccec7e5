"""Draws a verdict on a copy of the picture."""

from __future__ import annotations

import numpy as np

from edge_app.pictures.opencv import cv2
from edge_app.records import DEFAULT_SIZE_PX, Pixels, Result

_FONT = cv2.FONT_HERSHEY_DUPLEX
_WHITE, _GREY, _GREEN, _AMBER, _RED = (255, 255, 255), (190, 190, 190), (80, 210, 110), (240, 180, 60), (235, 90, 80)
_COLORS = {"ok": _GREEN, "unknown": _AMBER, "outage": _RED}
_REFERENCE_PX = 480  # The sizes below apply to this picture height and scale with it.


def blank() -> Pixels:
    """Return the dark picture shown while there is no frame."""
    return np.full((*reversed(DEFAULT_SIZE_PX), 3), 32, np.uint8)


def draw(picture: Pixels, result: Result) -> Pixels:
    """Draw label, confidence bar, FPS and latency.

    Args:
        picture: (H, W, 3) uint8, RGB; not changed.
        result: what to show.

    Returns:
        (H, W, 3) uint8, RGB: a copy with the drawing on it.
    """
    drawn = picture.copy()
    unit = drawn.shape[0] / _REFERENCE_PX
    band_px = round(64 * unit)
    # A darkened band keeps text readable on any picture.
    drawn[-band_px:] = drawn[-band_px:] // 3
    color = _COLORS[result.verdict.state]
    title, confidence, small = _texts(result)
    baseline = drawn.shape[0] - round(30 * unit)
    _write(drawn, title, (round(14 * unit), baseline), 0.85 * unit, color)
    width = cv2.getTextSize(small, _FONT, 0.55 * unit, 1)[0][0]
    _write(drawn, small, (drawn.shape[1] - width - round(14 * unit), baseline), 0.55 * unit, _GREY)
    _bar(drawn, confidence, unit, color)
    return drawn


def _texts(result: Result) -> tuple[str, float, str]:
    verdict = result.verdict
    if verdict.state == "outage":
        return f"no picture: {result.reason}", 0.0, ""
    small = f"{result.fps:.1f} FPS  {result.latency_ms:.1f} ms"
    if verdict.label is not None and verdict.confidence is not None:
        return f"{verdict.label}  {verdict.confidence:.0%}", verdict.confidence, small
    return f"unknown  ({verdict.top[0][0]}?)", verdict.top[0][1], small


def _write(pixels: Pixels, text: str, at: tuple[int, int], size: float, color: tuple[int, int, int]) -> None:
    cv2.putText(pixels, text, at, _FONT, size, color, max(1, round(size * 1.3)), cv2.LINE_AA)


def _bar(pixels: Pixels, share: float, unit: float, color: tuple[int, int, int]) -> None:
    left, right = round(14 * unit), pixels.shape[1] - round(14 * unit)
    top, bottom = pixels.shape[0] - round(18 * unit), pixels.shape[0] - round(8 * unit)
    cv2.rectangle(pixels, (left, top), (right, bottom), (70, 70, 70), -1)
    cv2.rectangle(pixels, (left, top), (left + round((right - left) * share), bottom), color, -1)
