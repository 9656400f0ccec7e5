"""Shared by all figures: the plan, a row of the table, the frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edge_app.bench import frames
from edge_app.bench.frames import Reel
from edge_app.pictures import preprocess
from edge_app.records import DEFAULT_SIZE_PX, Picture, Result
from edge_app.settings.choices import FrameKind
from tools.photographs import photographs

NANO, BASE = "cifar10-nano", "cifar10-base"
TILE_PX = (320, 240)  # every photograph is at least this large
SEED = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to measure, and the folder of the test pictures."""

    repetitions: int
    data: Path | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: name of the figure.
        bound: its bound, in words.
        values: one value a repetition.
        keeps: returns whether a value is within the bound.
        detail: absolute values behind a ratio, or other remarks.
    """

    what: str
    bound: str
    values: list[float]
    keeps: Callable[[float], bool]
    detail: str = ""

    def line(self) -> str:
        """Return it as a row of a Markdown table."""
        values = ", ".join(f"{value:.3g}" for value in self.values)
        verdict = "yes" if all(map(self.keeps, self.values)) else "NO"
        return f"| {self.what} | {self.bound} | {values} | {verdict} | {self.detail} |"


def at_most(limit: float) -> Callable[[float], bool]:
    """Return a function that tests for an upper bound."""
    return lambda value: value <= limit


@cache
def reel(size_px: tuple[int, int], kind: FrameKind = "jpeg") -> Reel:
    """Return frames tiled with photographs; below 640x480, shrink frames of that size, as a camera does."""
    if size_px[0] < DEFAULT_SIZE_PX[0]:
        full = [picture.rgb() for picture in map(reel(DEFAULT_SIZE_PX, "rgb").picture, range(frames.COUNT))]
        return frames.of_pictures("photographs", [preprocess.shrink(pixels, size_px) for pixels in full], kind, size_px)
    chance, shown = np.random.default_rng(SEED), [picture for _, picture in photographs()]
    width, height = TILE_PX
    made = []
    for _ in range(frames.COUNT):
        frame = np.empty((math.ceil(size_px[1] / height) * height, math.ceil(size_px[0] / width) * width, 3), np.uint8)
        for top in range(0, frame.shape[0], height):
            for left in range(0, frame.shape[1], width):
                picture = shown[chance.integers(len(shown))]
                y, x = (chance.integers(picture.shape[axis] - (height, width)[axis] + 1) for axis in (0, 1))
                frame[top : top + height, left : left + width] = picture[y : y + height, x : x + width]
        made.append(np.ascontiguousarray(frame[: size_px[1], : size_px[0], ::-1]))
    return frames.of_pictures("photographs", made, kind, size_px)


def ratios(ours: tuple[float, ...] | list[float], others: tuple[float, ...] | list[float]) -> list[float]:
    """Return ours divided by others, pair by pair."""
    return [mine / other for mine, other in zip(ours, others, strict=True)]


class Nowhere:
    """A sink that discards all results."""

    name, wants_picture = "nowhere", False

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Discard the result."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
